package linkage

import (
	"bytes"
	"maps"
	"sync"
	"time"

	"renkei.dev/internal/secret"
)

// remembered is how many journeys a node remembers: more than are under way at it
// within the minutes that one takes.
const remembered = 512

// memory is the journeys that this node saw last, opened. It saves a journey whose
// requests come to one node the opening of its state at each of them, and says
// what its page will need before its row was read. Nothing is believed of it but
// that the same sealed state is the same state: the row is read every time.
type memory struct {
	mu    sync.Mutex
	seen  map[JourneyID]*seenJourney
	order [remembered]JourneyID // a ring of what came in
	next  int
}

// seenJourney is not changed once it is remembered, nor is anything that its
// state points to.
type seenJourney struct {
	row     Row
	state   state
	cookie  secret.Value // that carries it; empty: a row was seen
	carried *carried
}

// recall returns what is remembered of a journey that has a row; nil for nothing.
func (m *memory) recall(id JourneyID) *seenJourney {
	if j := m.look(id); j != nil && j.carried == nil {
		return j
	}
	return nil
}

// recallCarried returns what a cookie carries, where that very cookie was seen; nil
// otherwise.
func (m *memory) recallCarried(id JourneyID, cookie secret.Value) *carried {
	if j := m.look(id); j != nil && j.carried != nil && j.cookie.Equal(cookie) {
		return j.carried
	}
	return nil
}

func (m *memory) look(id JourneyID) *seenJourney {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seen[id]
}

// remember keeps a journey as it was read or written; the one that came in first
// is forgotten for it.
func (m *memory) remember(row Row, st state) { m.keep(row.ID, &seenJourney{row: row, state: st}) }

// rememberCarried keeps a journey as its cookie carries it, until its row is seen.
func (m *memory) rememberCarried(cookie secret.Value, c *carried) {
	m.keep(c.ID, &seenJourney{row: Row{ID: c.ID, BeganAt: c.BeganAt}, cookie: cookie, carried: c})
}

func (m *memory) keep(id JourneyID, j *seenJourney) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen == nil {
		m.seen = make(map[JourneyID]*seenJourney)
	}
	was, known := m.seen[id]
	if known && was.carried == nil && j.carried != nil {
		return
	}
	if !known {
		delete(m.seen, m.order[m.next])
		m.order[m.next] = id
		m.next = (m.next + 1) % remembered
	}
	m.seen[id] = j
}

// forget drops the journeys that began before, for a node that sees no others: what
// was typed in them is not to be in its memory for longer than in the database.
func (m *memory) forget(before time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.seen, func(_ JourneyID, j *seenJourney) bool { return j.row.BeganAt.Before(before) })
}

// stateOf returns the state of a row; old is what was remembered of its journey.
func (s *Service) stateOf(row Row, old *seenJourney) (state, error) {
	if old != nil && bytes.Equal(old.row.Sealed, row.Sealed) {
		return old.state, nil
	}
	st, err := s.openState(row.ID, row.Sealed)
	if err == nil {
		s.memory.remember(row, st)
	}
	return st, err
}
