package oauth

import (
	"testing"
	"time"
)

func TestAPartnersPushesAreLimitedByTheMinute(t *testing.T) {
	var p pushes
	minute := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	for range 3 {
		if !p.admit("a", 3, minute) {
			t.Fatal("refused within the limit")
		}
	}
	if p.admit("a", 3, minute.Add(59*time.Second)) {
		t.Error("a fourth in the same minute was admitted")
	}
	if !p.admit("b", 3, minute.Add(59*time.Second)) {
		t.Error("another partner pays for it")
	}
	if !p.admit("a", 3, minute.Add(time.Minute)) {
		t.Error("refused in the next minute")
	}
	if !p.admit("a", 0, minute) {
		t.Error("refused without a limit")
	}
}
