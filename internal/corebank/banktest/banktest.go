// Package banktest is the contract that every corebank.Connector must keep, as
// tests.
//
// It knows no bank: what is in the one under test comes as a Fixture. Start with
// Run.
package banktest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
)

// Fixture names what the bank under test has.
type Fixture struct {
	LoginID      corebank.LoginID // of a user of the ID way
	Password     secret.Value
	Answers      map[corebank.QuestionID]secret.Value // right answers to all of the user's questions
	Account      corebank.AccountID                   // one that the user may inquire
	PIN          corebank.InquiryPIN
	WrongPIN     corebank.InquiryPIN
	Certificate  corebank.Certificate // of a user of the certificate way
	CertUser     corebank.UserID
	CertPassword secret.Value
	CertLoginID  corebank.LoginID
}

// Run holds the connector that open returns against the contract. open is
// called once for each part, and must return a bank in its first state.
func Run(t *testing.T, open func(t *testing.T) corebank.Connector, f Fixture) {
	t.Run("a right password names its user", func(t *testing.T) {
		b := open(t)
		u, err := b.CheckPassword(t.Context(), f.LoginID, f.Password)
		if err != nil || u.LoginID != f.LoginID || u.ID == "" || u.Company.ID == "" || u.Method != corebank.PasswordLogin {
			t.Fatalf("got %+v, %v", u, err)
		}
		again, err := b.User(t.Context(), u.ID)
		if err != nil || again != u {
			t.Fatalf("User: got %+v, %v", again, err)
		}
	})
	t.Run("unknown id, wrong password and certificate user fail alike", func(t *testing.T) {
		b := open(t)
		for id, password := range map[corebank.LoginID]secret.Value{
			"nobody.at.all": f.Password, f.LoginID: secret.Of("wrong"), f.CertLoginID: f.CertPassword,
		} {
			u, err := b.CheckPassword(t.Context(), id, password)
			var wrong corebank.WrongSecret
			if !errors.As(err, &wrong) || u != (corebank.User{}) {
				t.Errorf("%s: got %+v, %v", id, u, err)
			}
		}
	})
	t.Run("a certificate belongs to its user", func(t *testing.T) {
		b := open(t)
		u, err := b.UserOf(t.Context(), f.Certificate)
		if err != nil || u.ID != f.CertUser || u.Method != corebank.CertificateLogin {
			t.Fatalf("got %+v, %v", u, err)
		}
		if err := b.CheckPasswordOf(t.Context(), u.ID, f.CertPassword); err != nil {
			t.Errorf("the right password: %v", err)
		}
		if err := b.CheckPasswordOf(t.Context(), u.ID, secret.Of("wrong")); !errors.Is(err, fault.Refused) {
			t.Errorf("a wrong password: %v", err)
		}
		stranger := f.Certificate
		stranger.Subject = "CN=nobody.at.all"
		if _, err := b.UserOf(t.Context(), stranger); !errors.Is(err, fault.NotFound) {
			t.Errorf("a stranger's certificate: %v", err)
		}
	})
	t.Run("answers are compared as people type them", func(t *testing.T) { testAnswers(t, open(t), f) })
	t.Run("parallel right PINs are all right", func(t *testing.T) { testRightPINs(t, open(t), f) })
	t.Run("every function has its right, in the order of the screens", func(t *testing.T) {
		b := open(t)
		u, err := b.CheckPassword(t.Context(), f.LoginID, f.Password)
		if err != nil {
			t.Fatal(err)
		}
		rights, err := b.Rights(t.Context(), u.ID)
		if err != nil || len(rights) != len(corebank.Functions) {
			t.Fatalf("got %v, %v", rights, err)
		}
		for i, r := range rights {
			if r.Function != corebank.Functions[i] {
				t.Errorf("right %d is %s", i, r.Function)
			}
		}
		accounts, err := b.Accounts(t.Context(), u.ID)
		found := false
		for _, a := range accounts {
			found = found || a.ID == f.Account
			if len(a.BranchCode) != 3 || len(a.Number) != 7 || a.ID == "" {
				t.Errorf("account %+v", a)
			}
		}
		if err != nil || !found {
			t.Errorf("the user's accounts are %v, %v", accounts, err)
		}
	})
	t.Run("an open bank says so, and a call ends with its context", func(t *testing.T) {
		b := open(t)
		if h, err := b.Hours(t.Context()); err != nil || !h.Open {
			t.Errorf("Hours: %+v, %v", h, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := b.CheckPassword(ctx, f.LoginID, f.Password); err != nil && !errors.Is(err, fault.Unavailable) {
			t.Errorf("a call that was given up: %v", err)
		}
	})
	t.Run("parallel wrong PINs spend each try once and then lock", func(t *testing.T) { testPINs(t, open(t), f) })
	t.Run("entries add up and page without gap", func(t *testing.T) { testEntries(t, open(t), f) })
	t.Run("what does not exist is not found", func(t *testing.T) {
		b := open(t)
		if _, err := b.Accounts(t.Context(), "nobody"); !errors.Is(err, fault.NotFound) {
			t.Errorf("Accounts: %v", err)
		}
		if _, err := b.Balance(t.Context(), "999-1-0000000", f.PIN); !errors.Is(err, fault.NotFound) {
			t.Errorf("Balance: %v", err)
		}
	})
}

func testAnswers(t *testing.T, b corebank.Connector, f Fixture) {
	u, err := b.CheckPassword(t.Context(), f.LoginID, f.Password)
	if err != nil {
		t.Fatal(err)
	}
	questions, err := b.Questions(t.Context(), u.ID)
	if err != nil || len(questions) != len(f.Answers) {
		t.Fatalf("got %v, %v", questions, err)
	}
	for _, q := range questions {
		right := f.Answers[q.ID]
		for _, typed := range []string{right.Reveal(), " " + right.Reveal() + "\u3000", hiragana(right.Reveal())} {
			if err := b.CheckAnswer(t.Context(), u.ID, q.ID, secret.Of(typed)); err != nil {
				t.Errorf("question %s: an answer that is right was refused: %v", q.ID, err)
			}
		}
		if err := b.CheckAnswer(t.Context(), u.ID, q.ID, secret.Of("まったくの別物")); !errors.Is(err, fault.Refused) {
			t.Errorf("question %s: a wrong answer: %v", q.ID, err)
		}
	}
}

func hiragana(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'ァ' && r <= 'ヶ' {
			return r - 'ァ' + 'ぁ'
		}
		return r
	}, s)
}

// testRightPINs holds that checks under way are not counted as wrong ones, which
// would lock an account whose partner fetches much at once.
func testRightPINs(t *testing.T, b corebank.Connector, f Fixture) {
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			if err := b.CheckPIN(t.Context(), f.Account, f.PIN); err != nil {
				t.Errorf("a right PIN: %v", err)
			}
		})
	}
	all.Wait()
}

func testPINs(t *testing.T, b corebank.Connector, f Fixture) {
	if err := b.CheckPIN(t.Context(), f.Account, f.PIN); err != nil {
		t.Fatalf("the right PIN: %v", err)
	}
	var mu sync.Mutex
	left := map[int]int{}
	locked := 0
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			err := b.CheckPIN(t.Context(), f.Account, f.WrongPIN)
			mu.Lock()
			defer mu.Unlock()
			var wrong corebank.WrongSecret
			switch {
			case errors.As(err, &wrong):
				left[wrong.Remaining]++
			case errors.Is(err, fault.Limited):
				locked++
			default:
				t.Errorf("a wrong PIN: %v", err)
			}
		})
	}
	all.Wait()
	for n, times := range left {
		if n >= 0 && times != 1 {
			t.Errorf("%d tries of 32 were told that %d are left", times, n)
		}
	}
	if len(left)+locked != 32 {
		t.Errorf("%d different tries and %d locked of 32", len(left), locked)
	}
	if err := b.CheckPIN(t.Context(), f.Account, f.PIN); !errors.Is(err, fault.Limited) {
		t.Errorf("the right PIN after the lock: %v", err)
	}
}

func testEntries(t *testing.T, b corebank.Connector, f Fixture) {
	balance, err := b.Balance(t.Context(), f.Account, f.PIN)
	if err != nil {
		t.Fatal(err)
	}
	to := corebank.DateOf(balance.At)
	from := corebank.DateOf(balance.At.AddDate(-1, 0, 0))
	whole, err := b.Transactions(t.Context(), f.Account, f.PIN, corebank.EntryQuery{From: from, To: to, Limit: 500})
	if err != nil || len(whole.Entries) < 2 {
		t.Fatalf("a year has %d entries, %v", len(whole.Entries), err)
	}
	q := corebank.EntryQuery{From: from, To: to, Limit: 7}
	seen := map[corebank.EntryID]bool{}
	var last corebank.Entry
	for {
		page, err := b.Transactions(t.Context(), f.Account, f.PIN, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Entries {
			if seen[e.ID] {
				t.Fatalf("entry %s came twice", e.ID)
			}
			seen[e.ID] = true
			change := e.Amount
			if e.Direction == corebank.Out {
				change = -change
			}
			if last.ID != "" && (last.Balance+change != e.Balance || e.PostingDate < last.PostingDate) {
				t.Fatalf("after %+v comes %+v", last, e)
			}
			last = e
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	if last.Balance != balance.Current {
		t.Errorf("the last entry leaves %d, the balance is %d", last.Balance, balance.Current)
	}
	for _, limit := range []int{0, -1, 501} {
		bad := corebank.EntryQuery{From: from, To: to, Limit: limit}
		if _, err := b.Transactions(t.Context(), f.Account, f.PIN, bad); !errors.Is(err, fault.Invalid) {
			t.Errorf("a limit of %d: %v", limit, err)
		}
	}
	q.After = "7.forged"
	if _, err := b.Transactions(t.Context(), f.Account, f.PIN, q); !errors.Is(err, fault.Invalid) {
		t.Errorf("a forged cursor: %v", err)
	}
	early := corebank.EntryQuery{From: "1990-01-01", To: to, Limit: 7}
	var out corebank.PeriodOutOfRange
	if _, err := b.Transactions(t.Context(), f.Account, f.PIN, early); !errors.As(err, &out) || out.Oldest == "" {
		t.Errorf("a period before all entries: %v", err)
	}
	deposits, err := b.Deposits(t.Context(), f.Account, f.PIN, corebank.EntryQuery{From: from, To: to, Limit: 500})
	if err != nil || len(deposits.Entries) == 0 {
		t.Fatalf("%d deposits, %v", len(deposits.Entries), err)
	}
	for _, e := range deposits.Entries {
		if e.Direction != corebank.In || e.Remitter == "" || !seen[e.ID] {
			t.Errorf("no deposit: %+v", e)
		}
	}
}
