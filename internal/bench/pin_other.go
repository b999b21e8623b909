//go:build !linux

package bench

// Pins pin nothing where there is no sched_setaffinity.
type Pins struct{}

// NewPins returns them.
func NewPins() Pins { return Pins{} }

// Start calls f.
func (Pins) Start(f func() error) error { return f() }

// Generator says that nothing is pinned.
func (Pins) Generator() string {
	return "server and generator share the cores: they are pinned on Linux only"
}

// Database pins nothing.
func (Pins) Database(int) (string, func()) { return "", func() {} }
