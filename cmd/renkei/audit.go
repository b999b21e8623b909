package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"

	"renkei.dev/internal/app"
	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
)

type auditCommand struct {
	Verify auditVerify `cmd:"" help:"Read the whole audit log and name the first row that was tampered with."`
	Show   auditShow   `cmd:"" help:"Print rows of the log."`
	Prove  auditProve  `cmd:"" help:"Prove that a row is in the log, or check such a proof."`
	Export auditExport `cmd:"" help:"Print the entries of the log, a line of JSON each."`
	Key    auditKey    `cmd:"" help:"Print the public key that checkpoints and proofs are verified by."`
}

// Help returns examples.
func (auditCommand) Help() string {
	return `Examples:
  renkei audit verify --config /etc/renkei/renkei.yaml
  renkei audit show --config /etc/renkei/renkei.yaml --word cns_5NQ…             all that concerns one consent
  renkei audit show --config /etc/renkei/renkei.yaml --name partner.stopped
  renkei audit export --config /etc/renkei/renkei.yaml --institution mihon
  renkei audit prove --config /etc/renkei/renkei.yaml 4711                       a proof that row 4711 is in the log
  renkei audit prove --config /etc/renkei/renkei.yaml --check proof.json
  renkei audit key --config /etc/renkei/renkei.yaml`
}

// database is how the target wants its database opened beside a server.
func (t target) database() (store.Config, error) {
	settings, material, err := t.settings()
	if err != nil {
		return store.Config{}, err
	}
	box, err := secret.NewBox(material.SealingKeys)
	if err != nil {
		return store.Config{}, err
	}
	cfg := app.StoreConfig(settings, material, box, slog.New(slog.DiscardHandler))
	cfg.Passive, cfg.LeaveSchema = true, true
	return cfg, nil
}

// withLog opens the audit log of the target for f.
func (t target) withLog(ctx context.Context, f func(store.AuditLog) error) error {
	cfg, err := t.database()
	if err != nil {
		return err
	}
	db, err := store.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	return f(db.AuditLog())
}

type auditVerify struct{ target }

// Run verifies the log; fault.Refused when it is not as it was written.
func (c auditVerify) Run(ctx context.Context, to streams) error {
	return c.withLog(ctx, func(log store.AuditLog) error {
		r, err := log.Verify(ctx)
		if err != nil {
			return err
		}
		if r.Bad != nil {
			return fault.New(fault.Refused, "the audit log was tampered with: %s (%d rows before it are good)", r.Bad, r.Sealed)
		}
		fmt.Fprintf(to.out, "The audit log is as it was written: %d rows sealed under %d checkpoints, %d waiting to be sealed.\n", r.Sealed, r.Checkpoints, r.Pending)
		if r.Sealed > 0 {
			fmt.Fprintf(to.out, "root %s\n", r.Root)
		}
		fmt.Fprintf(to.out, "key  %s\n", log.Public())
		return nil
	})
}

// wanted says which rows are wanted.
type wanted struct {
	Name string `help:"Only acts of this name, e.g. consent.given." placeholder:"NAME"`
	Word string `help:"Only rows with this text: an id, an inquiry number." placeholder:"TEXT"`
}

func (w wanted) which(t target) (store.Which, error) {
	name := audit.Name(w.Name)
	if w.Name != "" && name.Meaning() == "" {
		return store.Which{}, fault.New(fault.Invalid, "no act is called %q; docs/operations/audit.md lists them", w.Name)
	}
	return store.Which{Institution: t.Institution, Name: name, Word: w.Word}, nil
}

type auditShow struct {
	target
	wanted
}

// Run prints rows, a line each.
func (c auditShow) Run(ctx context.Context, to streams) error {
	which, err := c.which(c.target)
	if err != nil {
		return err
	}
	return c.withLog(ctx, func(log store.AuditLog) error {
		return log.Each(ctx, which, func(r audit.Row) error {
			_, err := fmt.Fprintf(to.out, "%d\t%s\n", r.Seq, r.Entry)
			return err
		})
	})
}

type auditExport struct {
	target
	wanted
}

// Run prints entries, a line each.
func (c auditExport) Run(ctx context.Context, to streams) error {
	which, err := c.which(c.target)
	if err != nil {
		return err
	}
	return c.withLog(ctx, func(log store.AuditLog) error { return log.Export(ctx, which, to.out) })
}

type auditProve struct {
	target
	Seq   int64  `arg:"" optional:"" help:"The row's number."`
	Check string `help:"Check the proof in this file instead." placeholder:"FILE" type:"path"`
	Key   string `help:"The log's public key, to check without its database." placeholder:"KEY"`
}

// Run prints a proof, or checks one.
func (c auditProve) Run(ctx context.Context, to streams) error {
	if c.Check != "" {
		return c.check(ctx, to)
	}
	if c.Seq == 0 {
		return fault.New(fault.Invalid, "name the row by its number, which stands first in what `renkei audit show` prints, or a proof with --check")
	}
	return c.withLog(ctx, func(log store.AuditLog) error {
		proof, err := log.Prove(ctx, c.Seq)
		if err != nil {
			return err
		}
		return writeJSON(to, proof)
	})
}

func (c auditProve) check(ctx context.Context, to streams) error {
	text, err := os.ReadFile(c.Check)
	if err != nil {
		return fault.Wrap(fault.NotFound, "read the proof", err)
	}
	var proof audit.Proof
	if err := json.Unmarshal(text, &proof); err != nil {
		return fault.Wrap(fault.Invalid, "read the proof", err)
	}
	key := c.Key
	if key == "" {
		if err := c.withLog(ctx, func(log store.AuditLog) error { key = log.Public(); return nil }); err != nil {
			return err
		}
	}
	if err := proof.Check(key); err != nil {
		return err
	}
	fmt.Fprintf(to.out, "The proof holds: the log has this row.\n%s\n", proof.Entry)
	return nil
}

type auditKey struct{ target }

// Run prints the public key.
func (c auditKey) Run(ctx context.Context, to streams) error {
	return c.withLog(ctx, func(log store.AuditLog) error {
		_, err := fmt.Fprintln(to.out, log.Public())
		return err
	})
}
