package bench

import "time"

// usage is what processes have used.
type usage struct {
	server, databases, self time.Duration // CPU
	rss                     int64         // of the server, bytes; 0: unknown
}

func (u usage) since(before usage) usage {
	u.server -= before.server
	u.databases -= before.databases
	u.self -= before.self
	return u
}
