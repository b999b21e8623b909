package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/store"
)

type dbCommand struct {
	Plan   dbPlan   `cmd:"" help:"List the steps that bring the database's schema up to date."`
	Up     dbUp     `cmd:"" help:"Bring the database's schema up to date."`
	Status dbStatus `cmd:"" help:"Tell the state of the schema and whether the database can be written to."`

	Backup  dbBackup  `cmd:"" help:"Write the whole database to a file, while servers go on using it."`
	Verify  dbVerify  `cmd:"" help:"Read a whole backup and verify its audit log."`
	Restore dbRestore `cmd:"" help:"Fill an empty database from a backup; all consents then wait until staff resume them."`
	Accept  dbAccept  `cmd:"" help:"Go on with a database that was set back to an earlier state; all consents then wait until staff resume them."`
}

// Help returns examples.
func (dbCommand) Help() string {
	return `Examples:
  renkei db status --config /etc/renkei/renkei.yaml
  renkei db plan --config /etc/renkei/renkei.yaml                what the next version would do
  renkei db up --config /etc/renkei/renkei.yaml                  also founds a database that is not there yet
  renkei db backup --config /etc/renkei/renkei.yaml /backup/renkei-1126
  renkei db verify --config /etc/renkei/renkei.yaml /backup/renkei-1126
  renkei db restore --config /etc/renkei/new.yaml /backup/renkei-1126
  renkei db accept --config /etc/renkei/renkei.yaml`
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
	if err != nil && fault.Of(err) != fault.NotFound {
		return err
	}
	after, err := c.steps(ctx, true)
	if err != nil {
		return err
	}
	for _, s := range after {
		if !slices.Contains(before, s) {
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

type dbBackup struct {
	target
	File string `arg:"" help:"The file to write; it must not exist." type:"path"`
}

// Help says what is not in a backup.
func (dbBackup) Help() string {
	return `A backup holds what the database holds: digests and sealed columns, but not the sealing keys, which belong in a
backup of their own. It can be restored into either kind of database.`
}

// Run writes the backup; a broken one does not stay.
func (c dbBackup) Run(ctx context.Context, to streams) error {
	cfg, err := c.database()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fault.Wrap(fault.Refused, "make the file", err)
	}
	rows, err := store.Backup(ctx, cfg, f)
	if err == nil {
		err = f.Sync()
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err != nil {
		os.Remove(c.File)
		return err
	}
	fmt.Fprintf(to.out, "Backed up %d rows to %s.\n", rows, c.File)
	return nil
}

// withBackup opens a backup file for f.
func withBackup(file string, f func(*os.File) error) error {
	b, err := os.Open(file)
	if err != nil {
		return fault.Wrap(fault.NotFound, "open the backup", err)
	}
	defer b.Close()
	return f(b)
}

type dbVerify struct {
	target
	File string `arg:"" help:"The backup." type:"path"`
}

// Run verifies a backup; fault.Refused when its audit log is not as it was written.
func (c dbVerify) Run(ctx context.Context, to streams) error {
	cfg, err := c.database()
	if err != nil {
		return err
	}
	return withBackup(c.File, func(f *os.File) error {
		rows, report, err := store.VerifyBackup(ctx, cfg, f)
		if err != nil {
			return err
		}
		if report.Bad != nil {
			return fault.New(fault.Refused, "the backup is whole, but its audit log was tampered with: %s", report.Bad)
		}
		fmt.Fprintf(to.out, "The backup is whole: %d rows; %d sealed rows of the audit log are as they were written, %d wait to be sealed.\n", rows, report.Sealed, report.Pending)
		return nil
	})
}

type dbRestore struct {
	target
	File string `arg:"" help:"The backup." type:"path"`
}

// Run restores the backup.
func (c dbRestore) Run(ctx context.Context, to streams) error {
	cfg, err := c.working()
	if err != nil {
		return err
	}
	return withBackup(c.File, func(f *os.File) error {
		rows, err := store.Restore(ctx, cfg, f)
		if err != nil {
			return err
		}
		fmt.Fprintf(to.out, "Restored %d rows. All consents wait until staff resume them: some may have been cancelled after the backup was made.\n", rows)
		return nil
	})
}

// working is database for commands that write as a server does.
func (t target) working() (store.Config, error) {
	cfg, err := t.database()
	cfg.Passive, cfg.LeaveSchema = false, false
	return cfg, err
}

type dbAccept struct {
	target
	Anyway bool `help:"Even where no kept checkpoint shows that the database was set back."`
}

// Help says what it costs.
func (dbAccept) Help() string {
	return `Stop the servers first. Every customer's consent is suspended until staff resume it.`
}

// Run accepts that the database was set back.
func (c dbAccept) Run(ctx context.Context, to streams) error {
	cfg, err := c.working()
	if err != nil {
		return err
	}
	if err := store.AcceptSetBack(ctx, cfg, c.Anyway); err != nil {
		return err
	}
	fmt.Fprintln(to.out, "The database is accepted as it is. All consents wait until staff resume them.")
	return nil
}
