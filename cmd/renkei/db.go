package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"renkei.dev/internal/store"
)

type dbCommand struct {
	Plan   dbPlan   `cmd:"" help:"List the steps that bring the database's schema up to date."`
	Up     dbUp     `cmd:"" help:"Bring the database's schema up to date."`
	Status dbStatus `cmd:"" help:"Tell the state of the schema and whether the database can be written to."`
}

type dbPlan struct{ target }

// Run lists what is missing.
func (c dbPlan) Run(ctx context.Context, to streams) error {
	steps, err := c.steps(ctx, false)
	if err != nil {
		return err
	}
	missing := 0
	for _, s := range steps {
		if !s.Applied {
			missing++
			fmt.Fprintf(to.out, "%s\n", s.Name)
		}
	}
	if missing == 0 {
		fmt.Fprintln(to.out, "The schema is up to date.")
	}
	return nil
}

func (t target) steps(ctx context.Context, up bool) ([]store.Migration, error) {
	cfg, err := t.database()
	if err != nil {
		return nil, err
	}
	return store.Migrations(ctx, cfg, up)
}

type dbUp struct{ target }

// Run takes the missing steps.
func (c dbUp) Run(ctx context.Context, to streams) error {
	before, err := c.steps(ctx, false)
	if err != nil {
		return err
	}
	if _, err := c.steps(ctx, true); err != nil {
		return err
	}
	for _, s := range before {
		if !s.Applied {
			fmt.Fprintf(to.out, "%s taken\n", s.Name)
		}
	}
	fmt.Fprintln(to.out, "The schema is up to date.")
	return nil
}

type dbStatus struct{ target }

// Run lists all steps and tries the database.
func (c dbStatus) Run(ctx context.Context, to streams) error {
	steps, err := c.steps(ctx, false)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(to.out, 0, 0, 2, ' ', 0)
	pending := false
	for _, s := range steps {
		state := "taken"
		if !s.Applied {
			state, pending = "missing", true
		}
		fmt.Fprintf(w, "%s\t%s\n", s.Name, state)
	}
	if err := w.Flush(); err != nil || pending {
		return err
	}
	cfg, err := c.database()
	if err != nil {
		return err
	}
	db, err := store.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.Ping(ctx); err != nil {
		return err
	}
	fmt.Fprintln(to.out, "The database can be read and written.")
	return nil
}
