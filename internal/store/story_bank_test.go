package store_test

import (
	"context"
	"maps"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/corebank/sandbox"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/oauth/oauthtest"
	"renkei.dev/internal/secret"
)

// fastBank is the sandbox bank without what makes a check of a secret slow, for
// stories that are told hundreds of times. It counts what it is asked.
type fastBank struct {
	*sandbox.Bank
	mu    sync.Mutex
	calls map[string]int // by method and id
	reply func() error   // instead of what is right, unless nil
}

func openBank(t testing.TB) *fastBank {
	t.Helper()
	bank, err := sandbox.Open(t.Context(), sandbox.Config{
		File: filepath.Join(t.TempDir(), "bank.db"), Now: func() time.Time { return oauthtest.Began },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bank.Close() })
	return &fastBank{Bank: bank}
}

// begin begins to count anew.
func (b *fastBank) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = map[string]int{}
}

// seen returns how often the bank was asked, by method and id.
func (b *fastBank) seen() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.calls)
}

// replies lets the bank answer checks by reply, where that returns an error.
func (b *fastBank) replies(reply func() error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reply = reply
}

func (b *fastBank) check(asked string, right bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls[asked]++
	if b.reply != nil {
		if err := b.reply(); err != nil {
			return err
		}
	}
	if !right {
		return corebank.WrongSecret{Remaining: -1}
	}
	return nil
}

func (b *fastBank) CheckPassword(ctx context.Context, id corebank.LoginID, typed secret.Value) (corebank.User, error) {
	for _, c := range b.Companies {
		for _, m := range c.Members {
			if m.LoginID == id {
				if err := b.check("CheckPassword "+string(id), typed.Equal(secret.Of(m.Password))); err != nil {
					return corebank.User{}, err
				}
				return b.User(ctx, m.ID)
			}
		}
	}
	return corebank.User{}, b.check("CheckPassword "+string(id), false)
}

func (b *fastBank) CheckAnswer(_ context.Context, user corebank.UserID, question corebank.QuestionID, typed secret.Value) error {
	for _, c := range b.Companies {
		for _, m := range c.Members {
			for _, q := range m.Questions {
				if m.ID == user && q.ID == question {
					return b.check("CheckAnswer "+string(user), typed.Equal(secret.Of(q.Answer)))
				}
			}
		}
	}
	return fault.New(fault.NotFound, "find a question")
}

func (b *fastBank) CheckPIN(_ context.Context, account corebank.AccountID, pin corebank.InquiryPIN) error {
	for _, c := range b.Companies {
		for _, a := range c.Accounts {
			if a.ID == account {
				return b.check("CheckPIN "+string(account), pin.Value.Equal(secret.Of(a.PIN)))
			}
		}
	}
	return fault.New(fault.NotFound, "find an account")
}
