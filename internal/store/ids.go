package store

import (
	"sync"
	"time"

	"renkei.dev/internal/fault"
)

// IDs makes ids that rise with time, so that new rows stand beside each other
// in every table: 41 bits of milliseconds since 2026, 10 bits of node and 12
// bits of sequence. Ids of one IDs rise strictly, even when the clock goes back;
// nodes with different numbers never make the same.
type IDs struct {
	node int64
	now  func() time.Time

	mu   sync.Mutex
	last int64 // milliseconds and sequence, without the node
}

const (
	nodeBits     = 10
	sequenceBits = 12
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()

// CommandNode is the number of commands that work beside servers: none of those
// has it, so that both may write at the same time.
const CommandNode = 1<<nodeBits - 1

// NewIDs returns the ids of one node, 0 to 1023, of which the last is CommandNode; another number is fault.Invalid.
func NewIDs(node int, now func() time.Time) (*IDs, error) {
	if node < 0 || node >= 1<<nodeBits {
		return nil, fault.New(fault.Invalid, "a node has a number from 0 to %d, not %d", 1<<nodeBits-1, node)
	}
	return &IDs{node: int64(node), now: now}, nil
}

// Next returns the next id; always positive.
func (i *IDs) Next() int64 {
	ticks := (i.now().UnixMilli() - epoch) << sequenceBits
	i.mu.Lock()
	i.last = max(i.last+1, ticks) // a full millisecond borrows from the next
	n := i.last
	i.mu.Unlock()
	return n>>sequenceBits<<(nodeBits+sequenceBits) | i.node<<sequenceBits | n&(1<<sequenceBits-1)
}

// IDTime returns when an id was made, to the millisecond.
func IDTime(id int64) time.Time {
	return time.UnixMilli(id>>(nodeBits+sequenceBits) + epoch).UTC()
}
