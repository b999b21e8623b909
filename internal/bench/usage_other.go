//go:build !linux

package bench

// usageOf knows nothing where there is no /proc: figures of CPU and memory are 0.
func usageOf(int, []int) usage { return usage{} }

// PostgreSQLOf knows nothing either.
func PostgreSQLOf(int) (int, bool) { return 0, false }
