package store_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
)

// node is another server on the same database and bank.
func (d *desk) node() *linkage.Service {
	s := d.svc
	return &linkage.Service{
		Institution: s.Institution, Key: s.Key, Store: s.Store, Bank: s.Bank, Partners: s.Partners, Protocol: s.Protocol,
		Box: s.Box, Rules: s.Rules, Alias: s.Alias, NextID: s.NextID, Now: s.Now,
	}
}

// journey.md rule 4: over all nodes never so many calls with one PIN at once
// that their refusal would cost the customer the last try at the branch; and
// after the first refusal no call begins.
func TestAPINThatChangedAtTheBranchIsRefusedFewerTimesThanTheCoreAllows(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		nodes := []*linkage.Service{d.svc, d.node(), d.node()}
		var asked, most, now atomic.Int32
		release, began := make(chan struct{}), make(chan struct{}, 60)
		call := func(context.Context, corebank.InquiryPIN) error {
			asked.Add(1)
			n := now.Add(1)
			for before := most.Load(); n > before && !most.CompareAndSwap(before, n); before = most.Load() {
			}
			began <- struct{}{}
			<-release
			now.Add(-1)
			return corebank.WrongSecret{Remaining: int(5 - asked.Load())}
		}
		results := make(chan error, 60)
		for i := range 60 {
			go func() {
				results <- nodes[i%3].UsePIN(t.Context(), "usr_ok.pw", "001-1-1000101", call)
			}()
		}
		for range 3 {
			<-began
		}
		close(release)
		unusable := 0
		for range 60 {
			err := <-results
			if u, ok := asUnusable(err); ok && u.State == linkage.Rejected {
				unusable++
			} else if !errors.Is(err, fault.Refused) {
				t.Errorf("a call ends with %v", err)
			}
		}
		if asked.Load() != 3 || most.Load() != 3 || unusable != 57 {
			t.Errorf("%d calls reached the core, %d at once, %d were held back", asked.Load(), most.Load(), unusable)
		}
		b := d.open("fixed")
		b.press(d.logIn("ok.pw"))
		b.stands(linkage.PINStep)
		if r := b.at.PIN.Rows[0]; r.State != linkage.Rejected {
			t.Errorf("the row says %s, chosen %v", r.State, r.Chosen)
		}
		if d.acts(linkage.PINRefusedName, "001-1-1000101") == 0 {
			t.Error("the refusal is not in the log")
		}
	})
}

func TestManyRightCallsWaitForEachOtherAndAllAreAnswered(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		nodes := []*linkage.Service{d.svc, d.node()}
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				err := nodes[i%2].UsePIN(t.Context(), "usr_ok.pw", "001-1-1000101", func(ctx context.Context, pin corebank.InquiryPIN) error {
					_, err := d.bank.Balance(ctx, "001-1-1000101", pin)
					return err
				})
				if err != nil {
					t.Errorf("call %d: %v", i, err)
				}
			}()
		}
		wg.Wait()
	})
}

func TestARightCallForgetsWrongTriesOfBefore(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		b := d.open("fixed")
		b.press(d.logIn("pin.mixed"))
		b.press(d.register(linkage.PINPress{Rows: []linkage.PINPressRow{{Account: "002-1-1000402", Chosen: true, PIN: secret.Of("9999")}}}))
		if e := b.fault(linkage.PINField, linkage.WrongPIN); e.Left != 2 {
			t.Errorf("%d tries are left", e.Left)
		}
		err := d.svc.UsePIN(t.Context(), "usr_pin.mixed", "002-1-1000402", func(context.Context, corebank.InquiryPIN) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		b.load()
		b.press(d.register(linkage.PINPress{Rows: []linkage.PINPressRow{{Account: "002-1-1000402", Chosen: true, PIN: secret.Of("9998")}}}))
		if e := b.fault(linkage.PINField, linkage.WrongPIN); e.Left != 2 {
			t.Errorf("after a right call %d tries are left", e.Left)
		}
	})
}

func TestWhatIsNotRegisteredIsNotAsked(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		for account, state := range map[corebank.AccountID]linkage.PINState{
			"001-1-1000401": linkage.Unregistered, "002-2-1000403": linkage.Pending, "003-4-1000404": linkage.Rejected,
		} {
			err := d.svc.UsePIN(t.Context(), "usr_pin.mixed", account, func(context.Context, corebank.InquiryPIN) error {
				t.Errorf("%s is asked", account)
				return nil
			})
			if u, ok := asUnusable(err); !ok || u.State != state {
				t.Errorf("%s: %v", account, err)
			}
		}
	})
}

func TestAServerThatStopsLeavesNoSlotBehind(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		const account = "001-1-1000101"
		taken := func() bool {
			free, err := d.svc.Store.TakePINSlot(t.Context(), linkage.PINSlot{Account: account, Number: 1, Holder: 99, Until: d.svc.Now().Add(time.Minute)}, d.svc.Now())
			if err != nil {
				t.Fatal(err)
			}
			return !free
		}
		err := d.svc.UsePIN(t.Context(), "usr_ok.pw", account, func(context.Context, corebank.InquiryPIN) error {
			d.svc.GiveSlotsBack()
			if !taken() {
				t.Error("the slot of a call under way was given back")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		d.svc.GiveSlotsBack()
		if taken() {
			t.Error("the slot is still this server's")
		}
	})
}
