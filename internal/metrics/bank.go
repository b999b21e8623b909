package metrics

import (
	"context"
	"errors"
	"sync"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
)

// Bank returns c with its calls counted. A wrong secret is an answer like any
// other; which one it was, and whose, is not counted.
func (m *Metrics) Bank(institution string, c corebank.Connector) corebank.Connector {
	return &bank{bank: c, institution: institution, of: m}
}

type bank struct {
	bank        corebank.Connector
	institution string
	of          *Metrics
	known       sync.Map // answered → figures; as many as methods and outcomes
}

// figures returns those of a method that answered so. Finding them by their
// labels would cost as much as some of the bank's answers.
func (b *bank) figures(method, outcome string) figures {
	a := answered{method, outcome}
	f, ok := b.known.Load(a)
	if !ok {
		f, _ = b.known.LoadOrStore(a, figures{
			b.of.calls.WithLabelValues(b.institution, method, outcome), b.of.callTook.WithLabelValues(b.institution, method),
		})
	}
	return f.(figures)
}

// counted makes a call and counts it.
func counted[T any](b *bank, method string, call func() (T, error)) (T, error) {
	began := time.Now()
	answer, err := call()
	f := b.figures(method, answerOf(err))
	f.count.Inc()
	f.took.Observe(time.Since(began).Seconds())
	return answer, err
}

// checked counts a call that answers nothing but whether a secret is right.
func checked(b *bank, method string, call func() error) error {
	_, err := counted(b, method, func() (struct{}, error) { return struct{}{}, call() })
	return err
}

// answerOf tells the kind of the bank's answer.
func answerOf(err error) string {
	if err == nil {
		return "done"
	}
	if _, ok := errors.AsType[corebank.Closed](err); ok {
		return "closed"
	}
	switch fault.Of(err) {
	case fault.Refused:
		return "wrong"
	case fault.Limited:
		return "locked"
	case fault.NotFound, fault.Invalid, fault.Conflict, fault.Expired:
		return "refused"
	case fault.Unavailable:
		return "unavailable"
	}
	return "failed"
}

func (b *bank) Hours(ctx context.Context) (corebank.Hours, error) {
	return counted(b, "Hours", func() (corebank.Hours, error) { return b.bank.Hours(ctx) })
}

func (b *bank) CheckPassword(ctx context.Context, id corebank.LoginID, password secret.Value) (corebank.User, error) {
	return counted(b, "CheckPassword", func() (corebank.User, error) { return b.bank.CheckPassword(ctx, id, password) })
}

func (b *bank) UserOf(ctx context.Context, c corebank.Certificate) (corebank.User, error) {
	return counted(b, "UserOf", func() (corebank.User, error) { return b.bank.UserOf(ctx, c) })
}

func (b *bank) CheckPasswordOf(ctx context.Context, user corebank.UserID, password secret.Value) error {
	return checked(b, "CheckPasswordOf", func() error { return b.bank.CheckPasswordOf(ctx, user, password) })
}

func (b *bank) Questions(ctx context.Context, user corebank.UserID) ([]corebank.Question, error) {
	return counted(b, "Questions", func() ([]corebank.Question, error) { return b.bank.Questions(ctx, user) })
}

func (b *bank) CheckAnswer(ctx context.Context, user corebank.UserID, question corebank.QuestionID, answer secret.Value) error {
	return checked(b, "CheckAnswer", func() error { return b.bank.CheckAnswer(ctx, user, question, answer) })
}

func (b *bank) User(ctx context.Context, user corebank.UserID) (corebank.User, error) {
	return counted(b, "User", func() (corebank.User, error) { return b.bank.User(ctx, user) })
}

func (b *bank) Accounts(ctx context.Context, user corebank.UserID) ([]corebank.Account, error) {
	return counted(b, "Accounts", func() ([]corebank.Account, error) { return b.bank.Accounts(ctx, user) })
}

func (b *bank) Rights(ctx context.Context, user corebank.UserID) ([]corebank.Right, error) {
	return counted(b, "Rights", func() ([]corebank.Right, error) { return b.bank.Rights(ctx, user) })
}

func (b *bank) CheckPIN(ctx context.Context, account corebank.AccountID, pin corebank.InquiryPIN) error {
	return checked(b, "CheckPIN", func() error { return b.bank.CheckPIN(ctx, account, pin) })
}

func (b *bank) Balance(ctx context.Context, account corebank.AccountID, pin corebank.InquiryPIN) (corebank.Balance, error) {
	return counted(b, "Balance", func() (corebank.Balance, error) { return b.bank.Balance(ctx, account, pin) })
}

func (b *bank) Transactions(ctx context.Context, account corebank.AccountID, pin corebank.InquiryPIN, q corebank.EntryQuery) (corebank.EntryPage, error) {
	return counted(b, "Transactions", func() (corebank.EntryPage, error) { return b.bank.Transactions(ctx, account, pin, q) })
}

func (b *bank) Deposits(ctx context.Context, account corebank.AccountID, pin corebank.InquiryPIN, q corebank.EntryQuery) (corebank.EntryPage, error) {
	return counted(b, "Deposits", func() (corebank.EntryPage, error) { return b.bank.Deposits(ctx, account, pin, q) })
}
