package app

import (
	"testing"
	"testing/synctest"
	"time"

	"renkei.dev/internal/jose"
)

func TestWhoWantsKeysWhileSomebodyAsksForThemWaitsForTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		removed, inForce := &jose.Ring{}, &jose.Ring{}
		k := &keysKept{now: time.Now, asking: make(chan struct{}, 1)}
		stale := &keptRing{Ring: removed, still: func() bool { return false }}
		k.kept.Store(stale)
		k.asking <- struct{}{} // somebody asks
		got := make(chan *jose.Ring, 1)
		go func() { got <- k.Ring() }()
		synctest.Wait()
		if len(got) > 0 {
			t.Fatal("keys were used that may have been removed long ago")
		}
		k.kept.Store(&keptRing{Ring: inForce, still: func() bool { return true }})
		<-k.asking
		if <-got != inForce {
			t.Error("the answer was not waited for")
		}

		k.kept.Store(stale)
		k.asking <- struct{}{} // somebody is not answered
		began := time.Now()
		if k.Ring() != removed || time.Since(began) != keysAskedWithin {
			t.Errorf("without an answer keys came after %v", time.Since(began))
		}
	})
}
