package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"renkei.dev/internal/attack"
	"renkei.dev/internal/demo"
	"renkei.dev/internal/fault"
)

type attackCommand struct {
	Target         string   `help:"The issuer to attack (default: the one in the file, or the demo's)." placeholder:"ISSUER"`
	Demo           string   `help:"Take clients, users and keys from the data directory of a running demo." placeholder:"DIR" type:"path" xor:"who"`
	File           string   `help:"Take them from a file." placeholder:"FILE" type:"path" xor:"who"`
	Nodes          []string `help:"Addresses at which the same issuer answers too, host:port." placeholder:"ADDRESS"`
	Only           []string `help:"Only these rows." placeholder:"ROW"`
	Skip           []string `help:"Not these rows." placeholder:"ROW"`
	List           bool     `help:"List the attacks and end."`
	JSON           bool     `help:"The results as JSON; progress goes to the other stream."`
	Verbose        bool     `short:"v" help:"Show every variant and what was seen."`
	Strict         bool     `help:"Fail too when a row cannot be run."`
	BeyondLoopback bool     `help:"Attack another machine. Only with the leave of whoever runs it."`
}

// Help tells what it does, and how the file is written.
func (attackCommand) Help() string {
	return `Attacks a running server over HTTP and TLS, one row of the attack list after the other, and says
of each whether the server held. It knows nothing of the server's inside. Users are logged in,
consents are given and ended: do not point it at real customers.

Examples:
  renkei attack --demo ~/.config/renkei-demo          attack a running demo
  renkei attack --demo DIR --only P01,P12             two rows
  renkei attack --target https://login.bank.example --file bank.yaml --beyond-loopback
  renkei attack --list

Exit status: 0 all held, 1 an attack got through (with --strict also: a row was not run).

` + attack.FileHelp
}

// Run attacks.
func (c attackCommand) Run(ctx context.Context, to streams) error {
	attacks, err := attack.Select(c.Only, c.Skip)
	if err != nil {
		return err
	}
	if c.List {
		return listAttacks(to.out, attacks)
	}
	target, err := c.target()
	if err != nil {
		return err
	}
	progress := to.out
	if c.JSON {
		progress = to.err
	}
	began := time.Now()
	results, err := attack.Run(ctx, attack.Options{
		Target: target, Only: c.Only, Skip: c.Skip, BeyondLoopback: c.BeyondLoopback,
		Began: func(a attack.Attack) { fmt.Fprintf(progress, "%s  %-64s ", a.Row, a.Name) },
		Ended: func(r attack.Result) { c.tell(progress, r) },
	})
	if err != nil {
		return err
	}
	total := count(results, time.Since(began))
	fmt.Fprintln(progress, total)
	if c.JSON {
		e := json.NewEncoder(to.out)
		e.SetIndent("", "  ")
		if err := e.Encode(struct {
			Target  string          `json:"target"`
			Summary summary         `json:"summary"`
			Results []attack.Result `json:"results"`
		}{target.Issuer, total, results}); err != nil {
			return fault.Wrap(fault.Internal, "write the results", err)
		}
	}
	switch {
	case total.Through > 0:
		return fault.New(fault.Internal, "%d attacks got through: %s", total.Through, strings.Join(rowsOf(results, attack.Through), ", "))
	case c.Strict && total.NotRun > 0:
		return fault.New(fault.Internal, "%d attacks were not run: %s", total.NotRun, strings.Join(rowsOf(results, attack.NotRun), ", "))
	}
	return nil
}

func (c attackCommand) target() (attack.Target, error) {
	file := c.File
	switch {
	case c.Demo != "":
		var err error
		if file, err = demo.AttackTarget(c.Demo); err != nil {
			return attack.Target{}, err
		}
	case file == "":
		return attack.Target{}, fault.New(fault.Invalid, "say as whom to attack: --demo DIR for a demo, --file FILE for another server (see --help)")
	}
	t, err := attack.ReadTarget(file)
	if err != nil && c.Demo != "" && fault.Of(err) == fault.NotFound {
		return attack.Target{}, fault.New(fault.Unavailable, "the demo in %s does not run: start it with `renkei demo --data %s`", c.Demo, c.Demo)
	}
	if err != nil {
		return attack.Target{}, err
	}
	if c.Target != "" {
		t.Issuer = c.Target
	}
	if t.Issuer == "" {
		return attack.Target{}, fault.New(fault.Invalid, "say whom to attack with --target, or issuer in the file")
	}
	t.Nodes = append(t.Nodes, c.Nodes...)
	return t, nil
}

func listAttacks(out io.Writer, attacks []attack.Attack) error {
	for _, a := range attacks {
		fmt.Fprintf(out, "%s  %s\n     precedent: %s\n     expected:  %s\n", a.Row, a.Name, a.Precedent, a.Expect)
		if a.Beyond != "" {
			fmt.Fprintf(out, "     not by a black box: %s; see %s\n", a.Beyond, a.Test)
		}
	}
	return nil
}

// tell ends the line of an attack, with what got through and what was left out.
func (c attackCommand) tell(out io.Writer, r attack.Result) {
	word := string(r.Outcome)
	if r.InPart() {
		word = "held in part"
	}
	fmt.Fprintf(out, "%s (%d variants, %.1f s)\n", word, len(r.Cases), r.Took.Seconds())
	if r.Outcome == attack.Through || c.Verbose {
		fmt.Fprintf(out, "     precedent   %s\n     expected    %s\n", r.Precedent, r.Expect)
	}
	for _, one := range r.Cases {
		switch {
		case one.Through:
			fmt.Fprintf(out, "     GOT THROUGH %s; seen: %s\n", one.Name, one.Seen)
		case c.Verbose:
			fmt.Fprintf(out, "     held        %s: %s\n", one.Name, one.Seen)
		}
	}
	for _, m := range r.Missing {
		fmt.Fprintf(out, "     not run     %s: %s\n", m.Name, m.Why)
	}
}

// summary is a run in figures.
type summary struct {
	Rows     int `json:"rows"`
	Held     int `json:"held"`
	InPart   int `json:"held_in_part"`
	Through  int `json:"got_through"`
	NotRun   int `json:"not_run"`
	Variants int `json:"variants"`
	Seconds  int `json:"seconds"`
}

func (s summary) String() string {
	return fmt.Sprintf("%d attacks in %d variants and %d s: %d held, %d held in part, %d got through, %d not run",
		s.Rows, s.Variants, s.Seconds, s.Held, s.InPart, s.Through, s.NotRun)
}

func count(results []attack.Result, took time.Duration) summary {
	s := summary{Rows: len(results), Seconds: int(took.Seconds())}
	for _, r := range results {
		s.Variants += len(r.Cases)
		switch {
		case r.InPart():
			s.InPart++
		case r.Outcome == attack.Held:
			s.Held++
		case r.Outcome == attack.Through:
			s.Through++
		default:
			s.NotRun++
		}
	}
	return s
}

func rowsOf(results []attack.Result, o attack.Outcome) []string {
	var rows []string
	for _, r := range results {
		if r.Outcome == o {
			rows = append(rows, r.Row)
		}
	}
	slices.Sort(rows)
	return rows
}
