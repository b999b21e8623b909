package sandbox_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/corebank/sandbox"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
)

func TestAnAccountClosesAfterItsLastBalanceAndStaysClosed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bank.db")
	b := open(t, file, nil)
	m, c, _ := b.Member("closing.soon")
	a := c.Accounts[1]
	for i := range 2 {
		if _, err := b.Balance(t.Context(), a.ID, pin(a.PIN)); err != nil {
			t.Fatalf("balance %d: %v", i, err)
		}
	}
	b.Close()
	b = open(t, file, nil)
	var closed corebank.AccountClosed
	if _, err := b.Balance(t.Context(), a.ID, pin(a.PIN)); !errors.As(err, &closed) {
		t.Errorf("the third balance: %v", err)
	}
	all, err := b.Accounts(t.Context(), m.ID)
	if err != nil || all[0].Closed || !all[1].Closed {
		t.Errorf("the list says %+v, %v", all, err)
	}
}

func TestABranchMayBearLessAndLockAnAccountItself(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "bank.db"), nil)
	_, c, _ := b.Member("pin.locked")
	strict, locked := c.Accounts[1], c.Accounts[2]
	var wrong corebank.WrongSecret
	if err := b.CheckPIN(t.Context(), strict.ID, pin("0000")); !errors.As(err, &wrong) || wrong.Remaining != 1 {
		t.Errorf("the first wrong PIN of two: %v", err)
	}
	if err := b.CheckPIN(t.Context(), locked.ID, pin(locked.PIN)); !errors.Is(err, fault.Limited) {
		t.Errorf("the right PIN of a locked account: %v", err)
	}
	if err := b.ChangePIN(t.Context(), locked.ID, pin("8642")); err != nil {
		t.Fatal(err)
	}
	if err := b.CheckPIN(t.Context(), locked.ID, pin("8642")); err != nil {
		t.Errorf("the PIN that the branch registered anew: %v", err)
	}
	if err := b.CheckPIN(t.Context(), locked.ID, pin(locked.PIN)); !errors.As(err, &wrong) {
		t.Errorf("the PIN from before: %v", err)
	}
}

func TestAPasswordThatWasChangedSaysWhenAndOutlivesARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bank.db")
	at := time.Date(2026, 11, 24, 1, 0, 0, 0, time.UTC)
	b := open(t, file, func() time.Time { return at })
	m, _, _ := b.Member("ok.cert")
	if u, err := b.User(t.Context(), m.ID); err != nil || !u.PasswordAt.IsZero() {
		t.Errorf("before any change: %v, %v", u.PasswordAt, err)
	}
	for range 10 {
		_ = b.CheckPasswordOf(t.Context(), m.ID, secret.Of("wrong"))
	}
	if err := b.CheckPasswordOf(t.Context(), m.ID, secret.Of(m.Password)); !errors.Is(err, fault.Limited) {
		t.Fatalf("after ten wrong ones: %v", err)
	}
	if err := b.ChangePassword(t.Context(), m.ID, secret.Of("given-anew")); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, file, nil)
	if u, err := b.UserOf(t.Context(), corebank.Certificate{Subject: "CN=ok.cert"}); err != nil || !u.PasswordAt.Equal(at) {
		t.Errorf("it says %v, %v", u.PasswordAt, err)
	}
	var wrong corebank.WrongSecret
	if err := b.CheckPasswordOf(t.Context(), m.ID, secret.Of(m.Password)); !errors.As(err, &wrong) {
		t.Errorf("the password from before: %v", err)
	}
	if err := b.CheckPasswordOf(t.Context(), m.ID, secret.Of("given-anew")); err != nil {
		t.Errorf("the one given anew: %v", err)
	}
	if err := b.ChangePassword(t.Context(), "usr_nobody", secret.Of("x")); !errors.Is(err, fault.NotFound) {
		t.Errorf("nobody's: %v", err)
	}
}

func TestACertificateBelongsToOneNameOnly(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "bank.db"), nil)
	m, _, _ := b.Member("ok.cert")
	for subject, known := range map[string]bool{
		"CN=ok.cert,O=" + m.Company.Name:             true,
		"O=" + m.Company.Name + "+CN=ok.cert":        true,
		"cn=ok\\2ecert, o=" + m.Company.Name:         true,
		"CN=ok.cert,O=とまり木":                          false,
		"CN=ng.usage,CN=ok.cert,O=" + m.Company.Name: false,
		"CN=nobody\\,CN=ok.cert,O=" + m.Company.Name: false,
		"OU=CN\\=ok.cert,O=" + m.Company.Name:        false,
		"CN=ok.pw,O=" + m.Company.Name:               false,
		"CN=ng.unbound":                              false, "": false, "=": false, "CN": false, "\\": false,
	} {
		_, err := b.UserOf(t.Context(), corebank.Certificate{Subject: subject, Serial: "1"})
		if (err == nil) != known || err != nil && !errors.Is(err, fault.NotFound) {
			t.Errorf("%q: %v", subject, err)
		}
	}
}

func TestNoSecretStandsInTheFile(t *testing.T) {
	dir := t.TempDir()
	b := open(t, filepath.Join(dir, "bank.db"), nil)
	m, c, _ := b.Member("ok.pw")
	if _, err := b.CheckPassword(t.Context(), m.LoginID, secret.Of(m.Password)); err != nil {
		t.Fatal(err)
	}
	if err := b.CheckAnswer(t.Context(), m.ID, m.Questions[0].ID, secret.Of(m.Questions[0].Answer)); err != nil {
		t.Fatal(err)
	}
	if err := b.ChangePIN(t.Context(), c.Accounts[0].ID, pin("9753")); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{m.Password, m.Questions[0].Answer, "\x049753", "'9753'"} {
			if strings.Contains(string(raw), s) {
				t.Errorf("%s holds %q", filepath.Base(f), s)
			}
		}
	}
}

func TestAFreshBankOpensAtOnce(t *testing.T) {
	began := time.Now()
	open(t, filepath.Join(t.TempDir(), "bank.db"), nil)
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestChequesOfOtherBanksAreNotWithdrawnAtOnce(t *testing.T) {
	now := time.Date(2024, 1, 4, 3, 0, 0, 0, time.UTC)
	b := open(t, filepath.Join(t.TempDir(), "bank.db"), func() time.Time { return now })
	_, c, _ := b.Member("ok.pw")
	a := c.Accounts[1]
	for range 120 {
		now = now.AddDate(0, 0, 1)
		got, err := b.Balance(t.Context(), a.ID, pin(a.PIN))
		if err != nil {
			t.Fatal(err)
		}
		if got.Withdrawable < got.Current {
			return
		}
	}
	t.Error("in 120 days no cheque was paid in")
}

func BenchmarkFirstStatement(b *testing.B) {
	for b.Loop() {
		bank, err := sandbox.Open(b.Context(), sandbox.Config{File: filepath.Join(b.TempDir(), "bank.db")})
		if err != nil {
			b.Fatal(err)
		}
		_, c, _ := bank.Member("ok.pw")
		if _, err := bank.Balance(b.Context(), c.Accounts[0].ID, pin(c.Accounts[0].PIN)); err != nil {
			b.Fatal(err)
		}
		bank.Close()
	}
}
