package sandbox_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/corebank/banktest"
	"renkei.dev/internal/corebank/sandbox"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
)

func open(t *testing.T, file string, now func() time.Time) *sandbox.Bank {
	t.Helper()
	b, err := sandbox.Open(t.Context(), sandbox.Config{File: file, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func pin(s string) corebank.InquiryPIN { return corebank.InquiryPIN{Value: secret.Of(s)} }

func TestSandboxKeepsTheContract(t *testing.T) {
	w := sandbox.Fictional()
	m, c, _ := w.Member("ok.pw")
	cert, _, _ := w.Member("ok.cert")
	answers := map[corebank.QuestionID]secret.Value{}
	for _, q := range m.Questions {
		answers[q.ID] = secret.Of(q.Answer)
	}
	banktest.Run(t, func(t *testing.T) corebank.Connector { return open(t, filepath.Join(t.TempDir(), "bank.db"), nil) }, banktest.Fixture{
		LoginID: m.LoginID, Password: secret.Of(m.Password), Answers: answers,
		Account: c.Accounts[0].ID, PIN: pin(c.Accounts[0].PIN), WrongPIN: pin("0000"),
		Certificate: corebank.Certificate{Subject: "CN=ok.cert,O=" + cert.Company.Name, Serial: "1"},
		CertUser:    cert.ID, CertPassword: secret.Of(cert.Password), CertLoginID: cert.LoginID,
	})
}

func TestWrongPINsOutliveARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bank.db")
	b := open(t, file, nil)
	_, c, _ := b.Member("pin.none")
	for want := 4; want >= 2; want-- {
		var wrong corebank.WrongSecret
		if err := b.CheckPIN(t.Context(), c.Accounts[0].ID, pin("0000")); !errors.As(err, &wrong) || wrong.Remaining != want {
			t.Fatalf("got %v, want %d left", err, want)
		}
	}
	b.Close()
	var wrong corebank.WrongSecret
	if err := open(t, file, nil).CheckPIN(t.Context(), c.Accounts[0].ID, pin("0000")); !errors.As(err, &wrong) || wrong.Remaining != 1 {
		t.Fatalf("after the restart: %v", err)
	}
}

func TestStatementsGrowByTheDayAndKeepTheirIDs(t *testing.T) {
	now := time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)
	file := filepath.Join(t.TempDir(), "bank.db")
	_, c, _ := sandbox.Fictional().Member("ok.pw")
	a := c.Accounts[0]
	q := corebank.EntryQuery{From: "2021-11-24", To: "2026-11-24", Limit: 500}
	first, err := open(t, file, func() time.Time { return now }).Transactions(t.Context(), a.ID, pin(a.PIN), q)
	if err != nil || len(first.Entries) != 500 || first.Next == "" || first.Oldest != "2021-11-24" {
		t.Fatalf("%d entries, next %q, oldest %s, %v", len(first.Entries), first.Next, first.Oldest, err)
	}
	later := open(t, file, func() time.Time { return now.AddDate(0, 0, 20) })
	q.From = first.Entries[0].PostingDate
	q.From = max(q.From, "2021-12-14")
	again, err := later.Transactions(t.Context(), a.ID, pin(a.PIN), q)
	if err != nil {
		t.Fatal(err)
	}
	byID := map[corebank.EntryID]corebank.Entry{}
	for _, e := range first.Entries {
		byID[e.ID] = e
	}
	for _, e := range again.Entries {
		if before, ok := byID[e.ID]; ok && before != e {
			t.Fatalf("entry changed from %+v to %+v", before, e)
		}
	}
	q.From, q.To = "2026-11-25", "2026-12-14"
	grown, err := later.Transactions(t.Context(), a.ID, pin(a.PIN), q)
	if err != nil || len(grown.Entries) == 0 {
		t.Fatalf("twenty days brought %d entries, %v", len(grown.Entries), err)
	}
	var cancelled, identical bool
	q.From, q.To = "2021-12-14", "2026-12-14"
	for q.After = ""; ; {
		page, err := later.Transactions(t.Context(), a.ID, pin(a.PIN), q)
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range page.Entries {
			cancelled = cancelled || e.Cancels != ""
			if i > 0 {
				p := page.Entries[i-1]
				identical = identical || (p.PostingDate == e.PostingDate && p.Amount == e.Amount && p.Remarks == e.Remarks && p.ID != e.ID)
			}
			if e.Balance < 0 {
				t.Fatalf("overdrawn: %+v", e)
			}
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	if !cancelled || !identical {
		t.Errorf("five years have a cancelled entry: %v, identical ones: %v", cancelled, identical)
	}
}

func TestWeatherOfACompanyIsItsOwn(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "bank.db"), nil)
	login := func(id corebank.LoginID) error {
		m, _, _ := b.Member(id)
		_, err := b.CheckPassword(t.Context(), id, secret.Of(m.Password))
		return err
	}
	var closed corebank.Closed
	if err := login("core.closed"); !errors.As(err, &closed) || !closed.OpensAt.After(time.Now()) {
		t.Errorf("core.closed: %v", err)
	}
	if err := login("core.down"); err != nil {
		t.Errorf("core.down logs in: %v", err)
	}
	if _, err := b.Accounts(t.Context(), "usr_core.down"); !errors.Is(err, fault.Unavailable) {
		t.Errorf("core.down has no accounts to show: %v", err)
	}
	_, c, _ := b.Member("pin.pending")
	if err := b.CheckPIN(t.Context(), c.Accounts[0].ID, pin(c.Accounts[0].PIN)); !corebank.SurelyUnchecked(err) {
		t.Errorf("pin.pending: %v", err)
	}
	b.CloseUntil(time.Now().Add(time.Hour), "計画停止のため")
	if err := login("ok.pw"); !errors.As(err, &closed) || closed.Reason != "計画停止のため" {
		t.Errorf("while the bank is closed: %v", err)
	}
}

func TestTheWorldIsWhole(t *testing.T) {
	logins := map[corebank.LoginID]bool{}
	accounts := map[corebank.AccountID]bool{}
	for _, c := range sandbox.Fictional().Companies {
		for _, m := range c.Members {
			if logins[m.LoginID] || m.Password == "" || m.Case == "" || m.CaseEN == "" || m.Company.Name == "" {
				t.Errorf("%s is incomplete or there twice", m.LoginID)
			}
			logins[m.LoginID] = true
			if strings.ContainsFunc(m.CaseEN, func(r rune) bool { return r > 0x2fff }) {
				t.Errorf("%s: Japanese in the English sentence", m.LoginID)
			}
		}
		for _, a := range c.Accounts {
			if accounts[a.ID] || len(a.PIN) != 4 || len(a.Number) != 7 || a.BranchName == "" {
				t.Errorf("account %s is incomplete or there twice", a.ID)
			}
			accounts[a.ID] = true
		}
	}
}

func BenchmarkBalance(b *testing.B) {
	bank, err := sandbox.Open(b.Context(), sandbox.Config{File: filepath.Join(b.TempDir(), "bank.db")})
	if err != nil {
		b.Fatal(err)
	}
	defer bank.Close()
	_, c, _ := bank.Member("ok.pw")
	a := c.Accounts[0]
	for b.Loop() {
		if _, err := bank.Balance(b.Context(), a.ID, pin(a.PIN)); err != nil {
			b.Fatal(err)
		}
	}
}

func TestBalancesThatAreKeptForADayAreThoseThatANewBankWouldTell(t *testing.T) {
	now := time.Date(2026, 3, 31, 14, 0, 0, 0, time.UTC) // eleven at night in Japan
	clock := func() time.Time { return now }
	long := open(t, filepath.Join(t.TempDir(), "bank.db"), clock)
	_, c, _ := long.Member("ok.pw")
	a := c.Accounts[0]
	for _, wait := range []time.Duration{0, 59 * time.Minute, time.Minute, 15 * time.Hour, 24 * time.Hour, -72 * time.Hour, 72 * time.Hour} {
		now = now.Add(wait)
		want, err := open(t, filepath.Join(t.TempDir(), "bank.db"), clock).Balance(t.Context(), a.ID, pin(a.PIN))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got, err := long.Balance(t.Context(), a.ID, pin(a.PIN)); err != nil || got != want {
				t.Errorf("at %s: got %+v, %v; a new bank says %+v", now, got, err, want)
			}
		}
	}
}

func TestTheDocsNameEveryUser(t *testing.T) {
	page, err := os.ReadFile("../../../docs/operations/core-bank.md")
	if err != nil {
		t.Fatal(err)
	}
	users := 0
	for _, company := range sandbox.Fictional().Companies {
		for _, m := range company.Members {
			users++
			if row := fmt.Sprintf("| `%s` | `%s` | %s |\n", m.LoginID, m.Password, m.CaseEN); !strings.Contains(string(page), row) {
				t.Errorf("no row %s", row)
			}
			for _, q := range m.Questions {
				if q.Answer != "しらたま" {
					t.Errorf("%s has the answer %s", m.LoginID, q.Answer)
				}
			}
		}
		for _, a := range company.Accounts {
			if n, err := strconv.Atoi(a.Number); err != nil || strconv.Itoa(n-999000) != a.PIN && a.Number != "1000502" {
				t.Errorf("account %s has the PIN %s", a.ID, a.PIN)
			}
		}
	}
	if rows := strings.Count(string(page), "` | `demo-"); rows != users {
		t.Errorf("%d rows for %d users", rows, users)
	}
}
