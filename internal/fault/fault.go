// Package fault names the few kinds of failure that an edge can tell apart.
//
// Engines and stores return a Kind wrapped with what they were doing; each edge
// translates the kind once, into a status and page, an OAuth code or an exit
// status. The package knows nothing of HTTP, SQL or OAuth, and of no particular
// failure: a failure that carries facts (how many tries are left, when the core
// opens) is a type of the package that knows those facts, and unwraps to a Kind.
package fault

import (
	"errors"
	"fmt"
)

// Kind is one kind of failure. It is an error itself, so that
// errors.Is(err, fault.Conflict) asks for it.
type Kind uint8

const (
	// Internal is a failure of our own: a bug, a broken key, a full disk.
	Internal Kind = iota
	// NotFound says that what was named does not exist, or not for who asks.
	NotFound
	// Conflict says that a conditional change no longer held: a replay or a lost race.
	Conflict
	// Invalid says that what was sent cannot be right, whoever sends it.
	Invalid
	// Refused says that who asks may not have what was asked for.
	Refused
	// Expired says that it was right once and its time is over.
	Expired
	// Unavailable says that something outside did not answer; trying again may help.
	Unavailable
	// Limited says that there were too many tries for now.
	Limited
)

var words = [...]string{"internal failure", "not found", "conflict", "invalid", "refused", "expired", "unavailable", "too many tries"}

// Error returns the kind in words.
func (k Kind) Error() string {
	if int(k) < len(words) {
		return words[k]
	}
	return "unknown failure"
}

type wrapped struct {
	kind  Kind
	doing string
	cause error
}

func (w *wrapped) Error() string {
	if w.cause == nil {
		return w.doing + ": " + w.kind.Error()
	}
	return w.doing + ": " + w.cause.Error()
}

func (w *wrapped) Unwrap() []error {
	if w.cause == nil {
		return []error{w.kind}
	}
	return []error{w.kind, w.cause}
}

// Wrap returns an error of kind that says what we were doing and why it failed;
// cause may be nil.
func Wrap(kind Kind, doing string, cause error) error {
	return &wrapped{kind, doing, cause}
}

// New returns an error of kind with a formatted sentence of its own.
func New(kind Kind, format string, args ...any) error {
	return &wrapped{kind, fmt.Sprintf(format, args...), nil}
}

// Of returns the outermost kind in err's tree, and Internal for an error
// without one.
func Of(err error) Kind {
	if k, ok := errors.AsType[Kind](err); ok {
		return k
	}
	return Internal
}
