//go:build unix

package main

import "syscall"

// apart lets a process of ours not be met by Ctrl-C at the terminal: we end it
// ourselves.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
