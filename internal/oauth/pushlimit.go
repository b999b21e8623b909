package oauth

import (
	"sync"
	"time"

	"renkei.dev/internal/partner"
)

// pushes counts the pushed requests of each partner in this minute, at this node
// (journey.md rule 9). It is no proof and no secret: a restart may forget it.
type pushes struct {
	mu      sync.Mutex
	minute  int64
	counted map[partner.ID]int
}

// admit counts a request of a partner that has authenticated and tells whether
// the minute still had room for it; limit 0 is no limit.
func (p *pushes) admit(id partner.ID, limit int, now time.Time) bool {
	if limit == 0 {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := now.Unix() / 60; m != p.minute || p.counted == nil {
		p.minute, p.counted = m, map[partner.ID]int{}
	}
	p.counted[id]++
	return p.counted[id] <= limit
}
