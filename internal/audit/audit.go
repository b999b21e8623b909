// Package audit is the closed list of acts that the bank must be able to prove,
// and the form in which one is kept.
//
// It knows no database and no engine: engines say what a change is as an Act,
// the store writes both in one commit or neither. Start with Act; the list of
// names is in names.go and in docs/operations.
package audit

import "time"

// Act is one thing that happened or was refused. It carries no secret: ids,
// words of closed lists and figures only.
type Act struct {
	Name    Name
	At      time.Time
	Actor   Actor
	Object  string // the id of what was acted on: a journey, consent, grant, client, account
	Outcome Outcome
	Reason  string // one word of a closed list; required unless Outcome is Done
	Journey string // お問い合わせ番号, where there is one
	Partner string // the client or partner that is concerned
	Address string // the network address that it came from; may be empty
	Detail  map[string]string
}

// Actor is who acted.
type Actor struct {
	Kind    ActorKind
	ID      string
	Company string // the customer's company, where there is one
}

// ActorKind is what an actor is.
type ActorKind string

// The kinds of actor.
const (
	Customer ActorKind = "customer"
	Partner  ActorKind = "partner"
	Operator ActorKind = "operator"
	System   ActorKind = "system"
	Unknown  ActorKind = "unknown" // not identified yet
)

// Outcome is how an act ended.
type Outcome string

// The outcomes.
const (
	Done   Outcome = "done"
	Denied Outcome = "denied"
	Failed Outcome = "failed" // neither: something outside did not answer
)

// Change is one decided step of state and the act that the log keeps of it.
// The store commits changes together with their acts, or none of either.
type Change interface{ Act() Act }

// Denial is a change that changes nothing: it only records that something was
// refused or failed.
type Denial struct{ Denied Act }

// Act returns the act of the denial.
func (d Denial) Act() Act { return d.Denied }
