package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"renkei.dev/internal/app"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/partner"
)

type partnerCommand struct {
	Add      partnerAdd      `cmd:"" help:"Register a partner and its client from a metadata file."`
	List     partnerList     `cmd:"" help:"List the partners."`
	Show     partnerShow     `cmd:"" help:"Show one partner."`
	Stop     partnerStop     `cmd:"" help:"Stop a partner: nothing can be linked or inquired until it is resumed."`
	Resume   partnerResume   `cmd:"" help:"Let a stopped partner work again."`
	Invite   partnerInvite   `cmd:"" help:"Issue an initial access token: the partner registers clients by itself (sandboxes only)."`
	Withdraw partnerWithdraw `cmd:"" help:"Revoke an initial access token before its time."`
	Client   clientCommand   `cmd:"" help:"Add, change and remove a partner's clients, and set their last day."`
}

// Help returns examples.
func (partnerCommand) Help() string {
	return `Examples:
  renkei partner add --config /etc/renkei/renkei.yaml mihon-kaikei.json
  renkei partner list --config /etc/renkei/renkei.yaml
  renkei partner show --config /etc/renkei/renkei.yaml mihon-kaikei --json
  renkei partner stop --config /etc/renkei/renkei.yaml mihon-kaikei --reason "its registration is in doubt, ticket 4711"
  renkei partner resume --config /etc/renkei/renkei.yaml mihon-kaikei --reason "settled, ticket 4711"
  renkei partner invite --data ~/.config/renkei-demo --uses 5 --for 24h mihon-kaikei
  renkei partner withdraw --data ~/.config/renkei-demo mihon-kaikei 7423105934 --reason "lost in a mail"
  renkei partner client --help`
}

type partnerAdd struct {
	target
	File string `arg:"" help:"The metadata: {\"partner\": {…}, \"client\": {…}}." type:"path"`
}

// Help returns an example of a file.
func (partnerAdd) Help() string {
	return `The file holds the partner as the bank registers it and its client's metadata (RFC 7591):
  {"partner": {"id": "mihon-kaikei", "service": "見本会計", "corporation": "見本ソフト株式会社",
     "registration_number": "関東財務局長（電代）第9001号", "contact": {"desk": "お客さま窓口", "phone": "03-0000-9001"},
     "functions": ["balance", "transactions"], "contract_from": "2026-04-01"},
   "client": {"client_id": "cl_mihon-kaikei", "redirect_uris": ["https://kaikei.example/callback"],
     "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": […]}}}`
}

// Run registers the partner.
func (c partnerAdd) Run(ctx context.Context, to streams) error {
	metadata, err := os.ReadFile(c.File)
	if err != nil {
		return fault.Wrap(fault.NotFound, "read the metadata", err)
	}
	desk, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer desk.Close()
	p, client, err := app.RegisterPartner(ctx, desk.Store, desk.Issuer, metadata, operator(), time.Now())
	if err != nil {
		return err
	}
	fmt.Fprintf(to.out, "Registered %s (%s) with client %s.\n", p.ID, p.Service, client.ID)
	return nil
}

type partnerList struct {
	target
	JSON bool `help:"As JSON."`
}

// Run lists the partners.
func (c partnerList) Run(ctx context.Context, to streams) error {
	desk, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer desk.Close()
	all, err := desk.Store.Partners(ctx)
	if err != nil {
		return err
	}
	whole := make([]partnerFile, len(all))
	for i, p := range all {
		if whole[i], err = fileOf(ctx, desk, p); err != nil {
			return err
		}
	}
	if c.JSON {
		told := make([]toldPartner, len(whole))
		for i, p := range whole {
			told[i] = p.told()
		}
		return writeJSON(to, told)
	}
	var t table
	t.row("ID", "STATUS", "CONTRACT", "SERVICE", "CORPORATION", "REGISTRATION", "PROFILES")
	for _, p := range whole {
		t.row(string(p.ID), string(p.Status), contract(p.Partner), p.Service, p.Corporation, p.RegistrationNumber, p.profiles())
	}
	return t.flush(to.out)
}

func contract(p partner.Partner) string {
	from := string(corebank.DateOf(p.ContractFrom)) + " –"
	if p.ContractUntil.IsZero() {
		return from
	}
	return from + " " + string(corebank.DateOf(p.ContractUntil.Add(-time.Second)))
}

type partnerShow struct {
	target
	ID   string `arg:"" help:"The partner's id."`
	JSON bool   `help:"As JSON."`
}

// Run shows one partner.
func (c partnerShow) Run(ctx context.Context, to streams) error {
	desk, p, err := c.openPartner(ctx, c.ID)
	if err != nil {
		return err
	}
	defer desk.Close()
	file, err := fileOf(ctx, desk, p)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(to, file.told())
	}
	var t table
	for _, line := range [][2]string{
		{"id", string(p.ID)}, {"status", string(p.Status)}, {"service", p.Service}, {"corporation", p.Corporation},
		{"registration", p.RegistrationNumber}, {"contract", contract(p)},
		{"desk", p.Contact.Desk}, {"phone", p.Contact.Phone}, {"mail", p.Contact.Mail}, {"url", p.Contact.URL},
		{"behind it", p.ChainedService}, {"functions", words(p.Functions)}, {"required", words(p.Required)},
		{"customer chooses", fmt.Sprint(p.ChoosesFunctions)},
		{"consent for", days(int(p.ConsentFor / (24 * time.Hour)))}, {"looks back", days(p.HistoryDays)},
	} {
		if line[1] != "" {
			t.row(line[0], line[1])
		}
	}
	for _, client := range file.Clients {
		t.row("client", string(client.ID)+": "+inWords(client))
	}
	for _, i := range file.Invitations {
		t.row("initial token", fmt.Sprintf("%d: %d uses left, until %s", i.ID, i.UsesLeft, i.ExpiresAt.Format(time.RFC3339)))
	}
	return t.flush(to.out)
}

func words(functions []corebank.BusinessFunction) string {
	all := make([]string, len(functions))
	for i, f := range functions {
		all[i] = string(f)
	}
	return strings.Join(all, ", ")
}

func days(n int) string {
	if n == 0 {
		return "as the institution's rules say"
	}
	return fmt.Sprintf("%d days", n)
}

// openPartner is open for what is done to one partner.
func (t target) openPartner(ctx context.Context, id string) (*app.Desk, partner.Partner, error) {
	desk, err := t.open(ctx)
	if err != nil {
		return nil, partner.Partner{}, err
	}
	p, err := desk.Store.Partner(ctx, partner.ID(id))
	if err == nil {
		return desk, p, nil
	}
	desk.Close()
	if fault.Of(err) == fault.NotFound {
		err = fault.New(fault.NotFound, "there is no partner %q; `renkei partner list` names all", id)
	}
	return nil, p, err
}

type partnerStop struct {
	target
	ID     string `arg:"" help:"The partner's id."`
	Reason string `required:"" help:"Why; it stands in the audit log." placeholder:"TEXT"`
}

// Run stops the partner.
func (c partnerStop) Run(ctx context.Context, to streams) error {
	return c.target.setStatus(ctx, to, c.ID, c.Reason, partner.Active, partner.Stopped)
}

type partnerResume struct {
	target
	ID     string `arg:"" help:"The partner's id."`
	Reason string `required:"" help:"Why; it stands in the audit log." placeholder:"TEXT"`
}

// Run lets the partner work again.
func (c partnerResume) Run(ctx context.Context, to streams) error {
	return c.target.setStatus(ctx, to, c.ID, c.Reason, partner.Stopped, partner.Active)
}

func (t target) setStatus(ctx context.Context, to streams, id, reason string, from, into partner.Status) error {
	desk, _, err := t.openPartner(ctx, id)
	if err != nil {
		return err
	}
	defer desk.Close()
	err = desk.Store.Commit(ctx, partner.StatusChanged{
		Partner: partner.ID(id), From: from, To: into, Reason: reason, By: operator(), At: time.Now(),
	})
	if fault.Of(err) == fault.Conflict && err != nil {
		return fault.New(fault.Conflict, "partner %s is not %s", id, from)
	}
	if err == nil {
		fmt.Fprintf(to.out, "Partner %s is %s.\n", id, into)
	}
	return err
}

func writeJSON(to streams, v any) error {
	e := json.NewEncoder(to.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
