package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of times in /proc: USER_HZ is 100 everywhere.
const tick = 10 * time.Millisecond

// process is a line of /proc/PID/stat.
type process struct {
	parent int
	used   time.Duration // by itself, and by its children that have ended
}

// usageOf reads what the server and the databases have used, descendants included.
func usageOf(server int, databases []int) usage {
	all := processes()
	u := usage{rss: residentOf(server)}
	u.server = treeOf(all, server)
	for _, d := range databases {
		u.databases += treeOf(all, d)
	}
	var self syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &self) == nil {
		u.self = time.Duration(self.Utime.Nano() + self.Stime.Nano())
	}
	return u
}

func processes() map[int]process {
	all := map[int]process{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is right
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			continue // it has ended
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		// The name, in parentheses, may hold anything.
		words := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
		if err != nil || len(words) < 15 {
			continue
		}
		var p process
		p.parent, _ = strconv.Atoi(words[1])
		for _, w := range words[11:15] {
			n, _ := strconv.ParseInt(w, 10, 64)
			p.used += time.Duration(n) * tick
		}
		all[pid] = p
	}
	return all
}

// treeOf adds up what a process and its descendants have used.
func treeOf(all map[int]process, root int) time.Duration {
	sum := all[root].used
	for pid, p := range all {
		if p.parent == root && pid != root {
			sum += treeOf(all, pid)
		}
	}
	return sum
}

func residentOf(pid int) int64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(raw), "VmRSS:")
	words := strings.Fields(after)
	if len(words) == 0 {
		return 0
	}
	kib, _ := strconv.ParseInt(words[0], 10, 64)
	return kib << 10
}

// PostgreSQLOf returns the first process of the PostgreSQL server that the
// process with an id works for; false where it is not one of this machine.
func PostgreSQLOf(backend int) (int, bool) {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", backend))
	parent := processes()[backend].parent
	return parent, err == nil && strings.HasPrefix(string(name), "postgres") && parent > 1
}
