package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/oauth"
)

type clientCommand struct {
	Add    clientAdd    `cmd:"" help:"Register another client of a partner's, as for a move to another profile."`
	Change clientChange `cmd:"" help:"Replace a client's metadata."`
	Sunset clientSunset `cmd:"" help:"Set the last day on which a client works."`
	Remove clientRemove `cmd:"" help:"Remove a client, and end the consents that it holds."`
}

// Help returns examples.
func (clientCommand) Help() string {
	return `A client has one profile for its whole life. A partner moves to another with a second client, and a last day for the
first.

Examples:
  renkei partner client add --config /etc/renkei/renkei.yaml mihon-kaikei fapi2.json
  renkei partner client sunset --config /etc/renkei/renkei.yaml cl_mihon-kaikei 2027-03-31
  renkei partner client change --config /etc/renkei/renkei.yaml cl_mihon-kaikei-2 fapi2.json
  renkei partner client remove --config /etc/renkei/renkei.yaml cl_mihon-kaikei --reason "moved, ticket 4711"`
}

// noClient says where ids of clients stand, where there is none of that name.
func noClient(err error, id string) error {
	if err != nil && fault.Of(err) == fault.NotFound {
		return fault.New(fault.NotFound, "there is no client %q; `renkei partner show` names those of a partner", id)
	}
	return err
}

type clientAdd struct {
	target
	Partner string `arg:"" help:"The partner's id."`
	File    string `arg:"" help:"The client's metadata (RFC 7591), with a client_id of its own." type:"path"`
}

// Run registers the client.
func (c clientAdd) Run(ctx context.Context, to streams) error {
	metadata, err := os.ReadFile(c.File)
	if err != nil {
		return fault.Wrap(fault.NotFound, "read the metadata", err)
	}
	desk, p, err := c.openPartner(ctx, c.Partner)
	if err != nil {
		return err
	}
	defer desk.Close()
	client, err := desk.AddClient(ctx, p.ID, metadata, operator())
	if err != nil {
		return err
	}
	fmt.Fprintf(to.out, "Registered client %s (%s) of %s.\n", client.ID, client.Profile, p.ID)
	return nil
}

type clientChange struct {
	target
	Client string `arg:"" help:"The client's id."`
	File   string `arg:"" help:"All of its metadata (RFC 7591); what stands there no more is gone." type:"path"`
}

// Run replaces the metadata.
func (c clientChange) Run(ctx context.Context, to streams) error {
	metadata, err := os.ReadFile(c.File)
	if err != nil {
		return fault.Wrap(fault.NotFound, "read the metadata", err)
	}
	desk, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer desk.Close()
	client, err := desk.ChangeClient(ctx, oauth.ClientID(c.Client), metadata, operator())
	if err != nil {
		return noClient(err, c.Client)
	}
	fmt.Fprintf(to.out, "Changed client %s (%s).\n", client.ID, client.Profile)
	return nil
}

type clientSunset struct {
	target
	Client string `arg:"" help:"The client's id."`
	Day    string `arg:"" optional:"" help:"Its last day in Japan, such as 2027-03-31; without one, no end is set."`
	Anyway bool   `help:"Even a day that is over: the client is refused at once."`
}

// Help says what a sunset is.
func (clientSunset) Help() string {
	return `After its last day a client is refused everywhere, with the word profile_sunset; its consents stay and rest.`
}

// Run sets the day.
func (c clientSunset) Run(ctx context.Context, to streams) error {
	if _, err := time.Parse(time.DateOnly, c.Day); c.Day != "" && err != nil {
		return fault.New(fault.Invalid, "%q is not a day such as 2027-03-31", c.Day)
	}
	over := c.Day != "" && c.Day < string(corebank.DateOf(time.Now()))
	if over && !c.Anyway {
		return fault.New(fault.Refused, "%s is over, and the client would be refused from now on: say --anyway if that is meant", c.Day)
	}
	desk, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer desk.Close()
	client, err := desk.SetSunset(ctx, oauth.ClientID(c.Client), c.Day, operator())
	if err != nil {
		return noClient(err, c.Client)
	}
	fmt.Fprintf(to.out, "Client %s (%s) works until %s.\n", client.ID, client.Profile, cmp.Or(c.Day, "its partner's contract ends"))
	if over {
		fmt.Fprintln(to.err, "That day is over: the client is refused from now on.")
	}
	return nil
}

type clientRemove struct {
	target
	Client string `arg:"" help:"The client's id."`
	Reason string `required:"" help:"Why; it stands in the audit log." placeholder:"TEXT"`
}

// Run removes the client.
func (c clientRemove) Run(ctx context.Context, to streams) error {
	desk, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer desk.Close()
	ended, err := desk.RemoveClient(ctx, oauth.ClientID(c.Client), c.Reason, operator())
	if err != nil {
		return noClient(err, c.Client)
	}
	fmt.Fprintf(to.out, "Removed client %s; %d consent(s) ended with it.\n", c.Client, ended)
	return nil
}
