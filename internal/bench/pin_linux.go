package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Pins keep the server on one core and the generator off it.
type Pins struct {
	server, others unix.CPUSet
	core           int
	possible       bool
}

// NewPins chooses the core of the server, the first that this process may use;
// without a second one there is nothing to pin.
func NewPins() Pins {
	var may unix.CPUSet
	var p Pins
	if unix.SchedGetaffinity(0, &may) != nil || may.Count() < 2 {
		return p
	}
	p.others, p.possible = may, true
	for !may.IsSet(p.core) {
		p.core++
	}
	p.server.Set(p.core)
	p.others.Clear(p.core)
	return p
}

// Start calls f, which starts a process, so that it begins on the server's core.
func (p Pins) Start(f func() error) error {
	if !p.possible {
		return f()
	}
	// The child inherits from the thread that starts it. The thread is not used
	// again: it ends with this goroutine, which stays locked to it.
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if err := unix.SchedSetaffinity(0, &p.server); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

// Generator moves this process to the other cores, and Database those of a
// database to the server's. Both say how in a sentence for people; restore takes
// it back for a database, whose later processes inherit from its first.
func (p Pins) Generator() string {
	if !p.possible {
		return "server and generator share what cores there are: this process may use only one"
	}
	if err := setThreads(os.Getpid(), &p.others); err != nil {
		return fmt.Sprintf("the generator could not be kept off the server's core (%v)", err)
	}
	return fmt.Sprintf("server on core %d, generator on the other %d", p.core, p.others.Count())
}

// Database is as Generator.
func (p Pins) Database(pid int) (said string, restore func()) {
	restore = func() {}
	var before unix.CPUSet
	if !p.possible || unix.SchedGetaffinity(pid, &before) != nil {
		return "", restore
	}
	set := func(to *unix.CPUSet) (err error) {
		all := processes()
		for child := range all {
			if child == pid || all[child].parent == pid {
				if e := setThreads(child, to); e != nil && err == nil {
					err = e
				}
			}
		}
		return err
	}
	if err := set(&p.server); err != nil {
		return fmt.Sprintf("the database's processes could not be pinned (%v)", err), restore
	}
	return fmt.Sprintf("database on core %d as well", p.core), func() {
		_ = set(&before) // it ran there before, and nothing else can be done
	}
}

// setThreads sets the affinity of every thread of a process.
func setThreads(pid int, to *unix.CPUSet) error {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil {
		return err
	}
	for _, t := range tasks {
		id, err := strconv.Atoi(filepath.Base(t))
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(id, to); err != nil && err != unix.ESRCH {
			return err
		}
	}
	return nil
}
