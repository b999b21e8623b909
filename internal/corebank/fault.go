package corebank

import (
	"errors"
	"fmt"
	"time"

	"renkei.dev/internal/fault"
)

// WrongSecret says that a password, answer or PIN was checked and is wrong.
type WrongSecret struct {
	Remaining int // tries that the bank still allows; -1 when it does not say
}

func (e WrongSecret) Error() string { return fmt.Sprintf("wrong secret, %d tries left", e.Remaining) }

// Unwrap returns fault.Refused.
func (WrongSecret) Unwrap() error { return fault.Refused }

// Locked says that the bank checks no more: too many wrong secrets.
type Locked struct{}

func (Locked) Error() string { return "locked by the bank" }

// Unwrap returns fault.Limited.
func (Locked) Unwrap() error { return fault.Limited }

// Closed says that the bank is out of hours. Nothing was checked.
type Closed struct {
	OpensAt time.Time
	Reason  string // in Japanese; may be empty
}

func (e Closed) Error() string {
	return "the bank is closed until " + e.OpensAt.UTC().Format(time.RFC3339)
}

// Unwrap returns fault.Unavailable.
func (Closed) Unwrap() error { return fault.Unavailable }

// Unavailable says that the bank did not answer.
type Unavailable struct {
	Unchecked bool // whether it is sure that no secret was checked
	Cause     error
}

func (e Unavailable) Error() string { return fmt.Sprintf("the bank does not answer: %v", e.Cause) }

// Unwrap returns fault.Unavailable and the cause.
func (e Unavailable) Unwrap() []error {
	if e.Cause == nil {
		return []error{fault.Unavailable}
	}
	return []error{fault.Unavailable, e.Cause}
}

// AccountClosed says that an account was 解約.
type AccountClosed struct{}

func (AccountClosed) Error() string { return "the account is closed" }

// Unwrap returns fault.NotFound.
func (AccountClosed) Unwrap() error { return fault.NotFound }

// PeriodOutOfRange says that entries were asked for beyond what the bank keeps.
type PeriodOutOfRange struct{ Oldest, Newest Date }

func (e PeriodOutOfRange) Error() string {
	return fmt.Sprintf("entries are kept from %s to %s", e.Oldest, e.Newest)
}

// Unwrap returns fault.Invalid.
func (PeriodOutOfRange) Unwrap() error { return fault.Invalid }

// SurelyUnchecked tells whether err means that the bank certainly did not check
// the secret, so that the attempt is given back.
func SurelyUnchecked(err error) bool {
	var closed Closed
	var unavailable Unavailable
	switch {
	case errors.As(err, &closed):
		return true
	case errors.As(err, &unavailable):
		return unavailable.Unchecked
	}
	return false
}
