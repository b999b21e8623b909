package main

import (
	"context"
	"fmt"
	"time"

	"renkei.dev/internal/app"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/store"
)

type consentCommand struct {
	List    consentList    `cmd:"" help:"List consents."`
	Suspend consentSuspend `cmd:"" help:"Suspend consents: they open nothing until they are resumed."`
	Resume  consentResume  `cmd:"" help:"Let suspended consents go on, as after a restore."`
	End     consentEnd     `cmd:"" help:"End consents for good, in the bank's right."`
}

// Help returns examples.
func (consentCommand) Help() string {
	return `Examples:
  renkei consent list --config /etc/renkei/renkei.yaml --partner mihon-kaikei
  renkei consent suspend --config /etc/renkei/renkei.yaml cns_5NQ… --reason "asked by phone, ticket 4711"
  renkei consent resume --config /etc/renkei/renkei.yaml cns_5NQ… --reason "settled, ticket 4711"
  renkei consent end --config /etc/renkei/renkei.yaml cns_5NQ… cns_7AB… --reason "contract ended, ticket 4712"`
}

type consentList struct {
	target
	State   string `help:"Only consents in this state: issued, active, suspended or ended." enum:",issued,active,suspended,ended" default:"" placeholder:"STATE"`
	Partner string `help:"Only consents to this partner." placeholder:"ID"`
	User    string `help:"Only consents of this user." placeholder:"ID"`
}

// Run lists consents, the oldest id first.
func (c consentList) Run(ctx context.Context, to streams) error {
	desk, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer desk.Close()
	var t table
	t.row("CONSENT", "STATE", "PARTNER", "USER", "GIVEN", "LAST DAY")
	which := store.WhichConsents{State: linkage.ConsentState(c.State), Partner: partner.ID(c.Partner), User: corebank.UserID(c.User)}
	err = desk.Store.EachConsent(ctx, which, func(one linkage.Consent) error {
		state := string(one.State)
		if one.EndReason != "" {
			state += " (" + string(one.EndReason) + ")"
		}
		t.row(string(one.ID), state, string(one.Partner), string(one.User), one.GivenAt.In(corebank.Japan).Format(time.DateOnly), string(one.Extent.LastDay()))
		return nil
	})
	if err != nil {
		return err
	}
	return t.flush(to.out)
}

// chosen are consents that are named, and why something is done to them.
type chosen struct {
	target
	IDs    []string `arg:"" optional:"" name:"consent" help:"The consents, as renkei consent list prints them."`
	Reason string   `required:"" help:"Why; it stands in the audit log." placeholder:"TEXT"`
}

// each does something to each of the named consents, and says how far it came.
func (c chosen) each(ctx context.Context, to streams, done string, do func(*linkage.Service, linkage.ConsentID) error) error {
	if len(c.IDs) == 0 {
		return fault.New(fault.Invalid, "name the consents, as renkei consent list prints them")
	}
	desk, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer desk.Close()
	for _, id := range c.IDs {
		if err := do(consents(desk), linkage.ConsentID(id)); err != nil {
			return fault.Wrap(fault.Of(err), id, err)
		}
		fmt.Fprintf(to.out, "%s %s\n", done, id)
	}
	return nil
}

// consents is what the journey's engine does to consents without a bank.
func consents(d *app.Desk) *linkage.Service {
	return &linkage.Service{Institution: d.Settings.Name, Store: d.Store, Now: time.Now}
}

type consentSuspend struct{ chosen }

// Run suspends consents.
func (c consentSuspend) Run(ctx context.Context, to streams) error {
	return c.each(ctx, to, "Suspended", func(s *linkage.Service, id linkage.ConsentID) error {
		return s.SuspendConsent(ctx, id, operator(), c.Reason)
	})
}

type consentEnd struct{ chosen }

// Run ends consents.
func (c consentEnd) Run(ctx context.Context, to streams) error {
	return c.each(ctx, to, "Ended", func(s *linkage.Service, id linkage.ConsentID) error {
		return s.EndConsent(ctx, id, linkage.EndedByBank, operator(), c.Reason)
	})
}

type consentResume struct {
	chosen
	All bool `help:"All that are suspended."`
}

// Help says what to do after a restore.
func (consentResume) Help() string {
	return `After a restore, or when a database was set back, all consents are suspended: some may have been cancelled after
that state. End those that the bank knows to be cancelled, then resume the rest.

Examples:
  renkei consent list --state suspended
  renkei consent end cns_5NQ… --reason "cancelled on 26 November, ticket 4711"
  renkei consent resume --all --reason "restored on 27 November, ticket 4712"`
}

// Run resumes consents.
func (c consentResume) Run(ctx context.Context, to streams) error {
	resume := func(s *linkage.Service, id linkage.ConsentID) error {
		return s.ResumeConsent(ctx, id, operator(), c.Reason)
	}
	if !c.All {
		return c.each(ctx, to, "Resumed", resume)
	}
	if len(c.IDs) > 0 {
		return fault.New(fault.Invalid, "name consents, or say --all")
	}
	desk, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer desk.Close()
	service, n := consents(desk), 0
	err = desk.Store.EachConsent(ctx, store.WhichConsents{State: linkage.Suspended}, func(one linkage.Consent) error {
		if err := resume(service, one.ID); err != nil && fault.Of(err) != fault.Conflict { // ended meanwhile
			return err
		}
		if n++; n%1000 == 0 {
			fmt.Fprintf(to.out, "%d resumed …\n", n)
		}
		return nil
	})
	fmt.Fprintf(to.out, "Resumed %d consents.\n", n)
	return err
}
