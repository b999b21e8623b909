package linkage

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/login"
	"renkei.dev/internal/secret"
)

// slots lends every slot that it is asked for, and keeps one PIN.
type slots struct {
	Store
	pin StoredPIN
}

func (slots) TakePINSlot(context.Context, PINSlot, time.Time) (bool, error) { return true, nil }
func (slots) DropPINSlot(context.Context, PINSlot) error                    { return nil }
func (s slots) PINInUse(context.Context, corebank.AccountID, time.Time) ([]StoredPIN, login.Counter, int, error) {
	return []StoredPIN{s.pin}, login.New(login.Key{}), 0, nil
}

func TestACallWaitsForItsTurnNoLongerThanIsGoodForAnybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, err := secret.NewBox(map[uint32][]byte{1: make([]byte, secret.KeySize)})
		if err != nil {
			t.Fatal(err)
		}
		s := &Service{Institution: "demo", Box: box, Now: time.Now, NextID: func() int64 { return 1 }, Rules: Rules{MaxPINTries: 1, BankFor: 2 * turnWithin}}
		pin := StoredPIN{Account: "001", User: "usr", State: Registered}
		pin.Sealed = s.sealPIN(pin.Account, secret.Of("1234"))
		s.Store = slots{pin: pin}
		release, answered := make(chan struct{}), make(chan error)
		call := func(context.Context, corebank.InquiryPIN) error { <-release; return nil }
		go func() { answered <- s.UsePIN(t.Context(), "usr", "001", call) }()
		synctest.Wait()
		began := time.Now()
		err = s.UsePIN(t.Context(), "usr", "001", call)
		if waited := time.Since(began); !errors.Is(err, fault.Unavailable) || waited != turnWithin {
			t.Errorf("after %s: %v", waited, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		err = s.UsePIN(ctx, "usr", "001", call)
		if waited := time.Since(began); !errors.Is(err, fault.Unavailable) || waited != time.Second {
			t.Errorf("who hangs up waits for %s: %v", waited, err)
		}
		close(release)
		if err := <-answered; err != nil {
			t.Error(err)
		}
		if err := s.UsePIN(t.Context(), "usr", "001", call); err != nil {
			t.Errorf("after the turn of another: %v", err)
		}
	})
}
