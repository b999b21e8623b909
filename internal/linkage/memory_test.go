package linkage

import (
	"testing"
	"time"
)

func TestANodeRemembersAFewJourneysAndNoneForLongerThanTheDatabase(t *testing.T) {
	var m memory
	began := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
	for n := range 3 * remembered {
		m.remember(Row{ID: JourneyID(n + 1), BeganAt: began.Add(time.Duration(n) * time.Second)}, state{})
	}
	if len(m.seen) != remembered || m.recall(1) != nil || m.recall(3*remembered) == nil {
		t.Errorf("%d are remembered", len(m.seen))
	}
	m.forget(began.Add((3*remembered - 2) * time.Second))
	if len(m.seen) != 2 || m.recall(3*remembered-2) != nil || m.recall(3*remembered-1) == nil {
		t.Errorf("%d are remembered after a day", len(m.seen))
	}
}
