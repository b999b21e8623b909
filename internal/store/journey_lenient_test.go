package store_test

import (
	"context"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/corebank/sandbox"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
)

func (l lenient) member(match func(sandbox.Member) bool) (sandbox.Member, bool) {
	for _, c := range l.d.bank.Companies {
		for _, m := range c.Members {
			if match(m) {
				return m, true
			}
		}
	}
	return sandbox.Member{}, false
}

func (l lenient) Hours(context.Context) (corebank.Hours, error) {
	return corebank.Hours{Open: true}, nil
}

func (l lenient) CheckPassword(_ context.Context, id corebank.LoginID, p secret.Value) (corebank.User, error) {
	m, ok := l.member(func(m sandbox.Member) bool { return m.LoginID == id })
	if !ok || p.Reveal() != m.Password || m.Method != corebank.PasswordLogin {
		return corebank.User{}, corebank.WrongSecret{Remaining: -1}
	}
	return m.User, nil
}

func (l lenient) UserOf(ctx context.Context, c corebank.Certificate) (corebank.User, error) {
	return l.d.bank.UserOf(ctx, c)
}

func (l lenient) CheckPasswordOf(_ context.Context, u corebank.UserID, p secret.Value) error {
	m, ok := l.member(func(m sandbox.Member) bool { return m.ID == u })
	if !ok {
		return fault.New(fault.NotFound, "nobody")
	}
	if p.Reveal() != m.Password {
		return corebank.WrongSecret{Remaining: -1}
	}
	return nil
}

func (l lenient) Questions(ctx context.Context, u corebank.UserID) ([]corebank.Question, error) {
	return l.d.bank.Questions(ctx, u)
}

func (l lenient) CheckAnswer(_ context.Context, u corebank.UserID, q corebank.QuestionID, a secret.Value) error {
	m, _ := l.member(func(m sandbox.Member) bool { return m.ID == u })
	for _, known := range m.Questions {
		if known.ID == q && known.Answer == a.Reveal() {
			return nil
		}
	}
	return corebank.WrongSecret{Remaining: -1}
}

func (l lenient) User(ctx context.Context, u corebank.UserID) (corebank.User, error) {
	return l.d.bank.User(ctx, u)
}

func (l lenient) Accounts(ctx context.Context, u corebank.UserID) ([]corebank.Account, error) {
	return l.d.bank.Accounts(ctx, u)
}

func (l lenient) Rights(ctx context.Context, u corebank.UserID) ([]corebank.Right, error) {
	return l.d.bank.Rights(ctx, u)
}

func (l lenient) CheckPIN(_ context.Context, a corebank.AccountID, pin corebank.InquiryPIN) error {
	if pin.Reveal() != l.d.pinOf(a) {
		return corebank.WrongSecret{Remaining: -1}
	}
	return nil
}

func (l lenient) Balance(ctx context.Context, a corebank.AccountID, pin corebank.InquiryPIN) (corebank.Balance, error) {
	return l.d.bank.Balance(ctx, a, pin)
}

func (l lenient) Transactions(ctx context.Context, a corebank.AccountID, pin corebank.InquiryPIN, q corebank.EntryQuery) (corebank.EntryPage, error) {
	return l.d.bank.Transactions(ctx, a, pin, q)
}

func (l lenient) Deposits(ctx context.Context, a corebank.AccountID, pin corebank.InquiryPIN, q corebank.EntryQuery) (corebank.EntryPage, error) {
	return l.d.bank.Deposits(ctx, a, pin, q)
}
