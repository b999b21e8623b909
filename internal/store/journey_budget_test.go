package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
)

// tallied is a bank that remembers how near its PINs came to their lock.
type tallied struct {
	corebank.Connector
	mu     sync.Mutex
	least  int // tries that it still allowed after the worst refusal
	wrong  int
	locked int
}

func (b *tallied) note(err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if wrong, ok := errors.AsType[corebank.WrongSecret](err); ok {
		b.wrong++
		b.least = min(b.least, wrong.Remaining)
	}
	if _, ok := errors.AsType[corebank.Locked](err); ok {
		b.locked++
	}
	return err
}

func (b *tallied) CheckPIN(ctx context.Context, a corebank.AccountID, pin corebank.InquiryPIN) error {
	return b.note(b.Connector.CheckPIN(ctx, a, pin))
}

func (b *tallied) Balance(ctx context.Context, a corebank.AccountID, pin corebank.InquiryPIN) (corebank.Balance, error) {
	balance, err := b.Connector.Balance(ctx, a, pin)
	return balance, b.note(err)
}

// nodesOn returns three servers, each with its own connections to one database.
func nodesOn(t *testing.T, dbs []*store.DB, institution string) (*desk, []*linkage.Service, *tallied) {
	t.Helper()
	d := newDeskIn(t, dbs[0].Institution(institution), filepath.Join(t.TempDir(), "bank.db"))
	bank := &tallied{Connector: d.bank, least: 100}
	d.svc.Bank = bank
	nodes := []*linkage.Service{d.svc}
	for _, db := range dbs[1:] {
		n := d.node()
		n.Store = db.Institution(institution)
		nodes = append(nodes, n)
	}
	return d, nodes, bank
}

// journey.md rule 4: calls with one PIN that are in flight over all nodes,
// partners' inquiries and customers' tries together, never cost the last attempt.
func TestInquiriesAndJourneysTogetherLeaveTheBranchItsTry(t *testing.T) {
	const account, mixed = "002-1-1000402", "usr_pin.mixed"
	besides(t, func(t *testing.T, name, url string) {
		at, dbs := url, []*store.DB(nil)
		for n := range 3 {
			dbs = append(dbs, open(t, store.Config{URL: at, Node: n, Serializable: name == "serializable"}))
		}
		for round, right := range []bool{false, true} {
			d, nodes, bank := nodesOn(t, dbs, fmt.Sprint("demo-", round))
			if err := d.bank.ChangePIN(t.Context(), account, corebank.InquiryPIN{Value: secret.Of("7777")}); err != nil {
				t.Fatal(err)
			}
			var all sync.WaitGroup
			begin := make(chan struct{})
			for i := range 6 { // six browsers of the customer's, who does not remember the number
				b := d.open("fixed")
				b.press(d.logIn("pin.mixed"))
				b.stands(linkage.PINStep)
				typed := fmt.Sprint(8000 + i)
				if right && i%2 == 0 {
					typed = "7777"
				}
				all.Go(func() {
					<-begin
					_, err := nodes[i%3].RegisterPINs(t.Context(), b.visit(), linkage.PINPress{
						Rows: []linkage.PINPressRow{{Account: account, Chosen: true, PIN: secret.Of(typed)}},
					})
					if err != nil {
						t.Errorf("a press of 登録 ends with %v", err)
					}
				})
			}
			for i := range 30 {
				all.Go(func() {
					<-begin
					err := nodes[i%3].UsePIN(t.Context(), mixed, account, func(ctx context.Context, pin corebank.InquiryPIN) error {
						_, err := bank.Balance(ctx, account, pin)
						return err
					})
					if !errors.Is(err, fault.Refused) {
						t.Errorf("an inquiry with the old number ends with %v", err)
					}
				})
			}
			close(begin)
			all.Wait()
			if bank.locked > 0 || bank.least < 1 {
				t.Errorf("round %d: the core allows %d more after %d wrong numbers, and was asked %d times when locked", round, bank.least, bank.wrong, bank.locked)
			}
			if bank.wrong == 0 {
				t.Errorf("round %d: the core was never asked", round)
			}
		}
	})
}

// While an inquiry is under way its slots and a customer's tries are one budget:
// the try waits, and is asked as soon as there is room.
func TestATryWaitsForInquiriesThatHoldTheBudget(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		const account = "002-1-1000402"
		d := newDesk(t, db)
		bank := &tallied{Connector: d.bank, least: 100}
		d.svc.Bank = bank
		b := d.open("fixed")
		b.press(d.logIn("pin.mixed"))
		release, began, ended := make(chan struct{}), make(chan struct{}), make(chan error, 3)
		node := d.node()
		for range 3 {
			go func() {
				ended <- node.UsePIN(t.Context(), "usr_pin.mixed", account, func(context.Context, corebank.InquiryPIN) error {
					began <- struct{}{}
					<-release
					return corebank.WrongSecret{Remaining: -1}
				})
			}()
			<-began
		}
		pressed := make(chan linkage.Result, 1)
		go func() {
			r, err := d.svc.RegisterPINs(t.Context(), b.visit(), linkage.PINPress{
				Rows: []linkage.PINPressRow{{Account: account, Chosen: true, PIN: secret.Of("9999")}},
			})
			if err != nil {
				t.Error(err)
			}
			pressed <- r
		}()
		for { // the press has taken its try
			c, held, err := d.in.PINBudget(t.Context(), account, d.clock.Now())
			if err != nil {
				t.Fatal(err)
			}
			if c.Taken == 1 {
				if held != 3 || bank.wrong != 0 {
					t.Errorf("with %d slots held the core was asked %d times", held, bank.wrong)
				}
				break
			}
		}
		close(release)
		for range 3 {
			<-ended
		}
		r := <-pressed
		if bank.wrong != 0 { // three wrong inquiries and one try: a fourth would be the branch's
			t.Errorf("the core refused %d tries after three wrong inquiries", bank.wrong)
		}
		if r.Journey.PIN == nil || r.Journey.PIN.Rows[1].Fault != linkage.PINStopped {
			t.Errorf("the press shows %+v", r.Journey.PIN)
		}
	})
}
