// Package attack is a black box: it attacks a running server over HTTP and TLS as
// its enemies would, by a closed list of attacks that each have a precedent, and
// says of every one whether it got through.
//
// It knows nothing of the server's inside: no engine, no store, no configuration.
// Of this project it uses only jose, to read keys, and the words of fault; what it
// knows of its target stands in metadata and in a file (target.go). It attacks
// loopback addresses alone unless it is told otherwise. Start with Attack and Run;
// lab.go and browser.go are what attacks are made of, rows_*.go are the attacks.
package attack

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"renkei.dev/internal/fault"
)

// Attack is one row of the list.
type Attack struct {
	Row       string // P01 …
	Name      string
	Precedent string // what it has been done to, or the clause that forbids it
	Expect    string // what a sound server answers
	// Beyond is what of this row no black box can do, and Test the Go test of this
	// project that does it; both empty where the attack is the whole row.
	Beyond, Test string

	run func(*trial)
}

// Outcome is what became of an attack.
type Outcome string

// The outcomes. An attack whose cases could not all be tried is held "in part".
const (
	Held    Outcome = "held"
	Through Outcome = "got through"
	NotRun  Outcome = "not run"
)

// Case is one variant of an attack that was tried.
type Case struct {
	Name    string `json:"name"`
	Through bool   `json:"through,omitempty"`
	Seen    string `json:"seen"`
}

// Missing is a variant that could not be tried, and why.
type Missing struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Result is what became of one attack.
type Result struct {
	Row       string        `json:"row"`
	Name      string        `json:"name"`
	Precedent string        `json:"precedent"`
	Expect    string        `json:"expect"`
	Outcome   Outcome       `json:"outcome"`
	Cases     []Case        `json:"cases"`
	Missing   []Missing     `json:"missing,omitempty"`
	Took      time.Duration `json:"took_ns"`
}

// InPart tells whether the attack held, but for variants that were not tried.
func (r Result) InPart() bool { return r.Outcome == Held && len(r.Missing) > 0 }

// Through returns the cases that got through.
func (r Result) Through() []Case {
	return slices.DeleteFunc(slices.Clone(r.Cases), func(c Case) bool { return !c.Through })
}

// Options are how a run is done.
type Options struct {
	Target Target
	Only   []string // rows; nil: all
	Skip   []string // rows to leave out
	// BeyondLoopback permits attacks on other machines.
	BeyondLoopback bool
	Began          func(Attack) // nil: nobody is told
	Ended          func(Result) // nil: nobody is told
}

// Select returns the attacks of the rows in only, without those in skip.
// Errors: fault.Invalid for rows that are not in the list.
func Select(only, skip []string) ([]Attack, error) {
	all := All()
	var unknown []string
	for _, row := range slices.Concat(only, skip) {
		if !slices.ContainsFunc(all, func(a Attack) bool { return strings.EqualFold(a.Row, row) }) {
			unknown = append(unknown, row)
		}
	}
	if len(unknown) > 0 {
		return nil, fault.New(fault.Invalid, "there is no attack %s; see --list", strings.Join(unknown, ", "))
	}
	named := func(rows []string, a Attack) bool {
		return slices.ContainsFunc(rows, func(row string) bool { return strings.EqualFold(a.Row, row) })
	}
	return slices.DeleteFunc(all, func(a Attack) bool {
		return len(only) > 0 && !named(only, a) || named(skip, a)
	}), nil
}

// Run attacks the target, one row after the other. Errors: fault.Refused for a
// target beyond this machine; fault.Unavailable when it does not answer;
// fault.Invalid for unknown rows or a target that is no authorization server. An
// attack that gets through is no error: see the results.
func Run(ctx context.Context, o Options) ([]Result, error) {
	attacks, err := Select(o.Only, o.Skip)
	if err != nil {
		return nil, err
	}
	l, err := openLab(ctx, o.Target, o.BeyondLoopback)
	if err != nil {
		return nil, err
	}
	defer l.close()
	var results []Result
	for _, a := range attacks {
		if ctx.Err() != nil {
			return results, ctx.Err()
		}
		if o.Began != nil {
			o.Began(a)
		}
		r := l.try(ctx, a)
		results = append(results, r)
		if o.Ended != nil {
			o.Ended(r)
		}
	}
	return results, nil
}

// try runs one attack, in a goroutine of its own so that cannot can end it.
func (l *lab) try(ctx context.Context, a Attack) Result {
	began := time.Now()
	t := &trial{lab: l, ctx: ctx}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.run(t)
	}()
	<-ended
	for _, end := range slices.Backward(t.after) {
		end()
	}
	r := Result{Row: a.Row, Name: a.Name, Precedent: a.Precedent, Expect: a.Expect, Outcome: NotRun, Cases: t.cases, Missing: t.missing, Took: time.Since(began)}
	if a.Beyond != "" && !t.gaveUp {
		r.Missing = append(r.Missing, Missing{a.Beyond, "no black box can; " + a.Test + " does"})
	}
	switch {
	case len(r.Through()) > 0:
		r.Outcome = Through
	case len(r.Cases) > 0 && !t.gaveUp:
		r.Outcome = Held
	}
	return r
}

// trial is one attack while it runs.
type trial struct {
	*lab
	ctx     context.Context
	cases   []Case
	missing []Missing
	gaveUp  bool
	after   []func() // what ends with the attack
}

// cannot ends the attack, as testing.T.Fatal ends a test: what it needs is not
// there, so that nothing can be said of the target.
func (t *trial) cannot(why string, args ...any) {
	t.gaveUp = true
	t.missing = append(t.missing, Missing{"the attack", fmt.Sprintf(why, args...)})
	runtime.Goexit()
}

// skip says that a variant cannot be tried here.
func (t *trial) skip(name, why string) { t.missing = append(t.missing, Missing{name, why}) }

// judge records a variant: whether the server held, and what was seen.
func (t *trial) judge(name string, held bool, seen string, args ...any) bool {
	t.cases = append(t.cases, Case{Name: name, Through: !held, Seen: fmt.Sprintf(seen, args...)})
	return held
}

// refused records a variant that must be answered by a status and, where codes
// are named, one of these error codes. No answer at all is no refusal.
func (t *trial) refused(name string, a answer, status int, codes ...string) bool {
	held := a.err == nil && a.status == status && (len(codes) == 0 || slices.Contains(codes, a.code()))
	return t.judge(name, held, "%s", a)
}

// refusedBy is refused with several statuses that will do.
func (t *trial) refusedBy(name string, a answer, statuses ...int) bool {
	return t.judge(name, a.err == nil && slices.Contains(statuses, a.status), "%s", a)
}

// works records that what must work does: a server that refuses everything has
// held nothing.
func (t *trial) works(name string, a answer) bool {
	return t.judge(name, a.err == nil && a.status >= 200 && a.status < 300, "%s", a)
}
