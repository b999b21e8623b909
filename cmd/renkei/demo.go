package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"renkei.dev/internal/demo"
	"renkei.dev/internal/fault"
)

type demoCommand struct {
	Run     demoRun     `cmd:"" default:"withargs" help:"Start the demo and say where its start page is (the default)."`
	Trust   demoTrust   `cmd:"" help:"Make this machine's browsers trust the demo's certificates."`
	Untrust demoUntrust `cmd:"" help:"Take that trust back."`
}

// Help returns examples.
func (demoCommand) Help() string {
	return demoExamples + "\n\n--data, --listen, --reset, --database and --verbose are told by: renkei demo run --help"
}

const demoExamples = `Examples:
  renkei demo                                  everything with its defaults; Ctrl-C ends it
  renkei demo trust                            no more warnings of browsers, once and for all
  renkei demo untrust                          takes that back
  renkei demo --data /tmp/bank --listen :9540  a second one beside it
  renkei demo --reset                          begin anew
  renkei demo run --idle-for 30s               see a page's time run out
  renkei demo --data /tmp/pg --database postgres://renkei@localhost/renkei`

// demoData is where a demo keeps everything.
type demoData struct {
	Data string `help:"The data directory (default: renkei-demo in this user's configuration directory)." placeholder:"DIR" type:"path"`
}

func (d demoData) folder() (string, error) {
	if d.Data != "" {
		return filepath.Abs(d.Data)
	}
	home, err := os.UserConfigDir()
	if err != nil {
		return "", fault.New(fault.Invalid, "this user has no configuration directory; name a data directory with --data")
	}
	return filepath.Join(home, "renkei-demo"), nil
}

type demoRun struct {
	demoData
	Listen     string        `help:"Loopback address and first of eight ports; kept with the data." placeholder:"127.0.0.1:9440"`
	Reset      bool          `help:"Begin anew: forget everything but the ports and the certificates that browsers may hold; a PostgreSQL database is emptied of what is this demo's."`
	Database   string        `help:"An empty PostgreSQL database for the bank, instead of SQLite in the data directory; kept with the data. Partners and core bank, who are others, keep their own files." placeholder:"postgres://…"`
	IdleFor    time.Duration `help:"How long a page of the journey is good, to see the time run out (default: 15m)." placeholder:"15m"`
	SessionFor time.Duration `help:"How long a login serves further linkings of its browser (default: every linking is a login)." placeholder:"1h"`
	Crowd      int           `hidden:"" help:"So many companies more, each with one user and one account, for measurements."`
	Profile    string        `hidden:"" help:"Write a CPU profile here when the demo ends." placeholder:"FILE" type:"path"`
	Verbose    bool          `short:"v" help:"Write every request to the log."`
}

// Help returns examples.
func (demoRun) Help() string { return demoExamples }

// Run runs the demo until it is interrupted.
func (c demoRun) Run(ctx context.Context, to streams) error {
	folder, err := c.folder()
	if err != nil {
		return err
	}
	trust := "renkei demo trust"
	if c.Data != "" {
		trust += " --data " + folder
	}
	cfg := demo.Config{
		Folder: folder, Listen: c.Listen, Database: c.Database, Reset: c.Reset, Crowd: c.Crowd, SessionFor: c.SessionFor, IdleFor: c.IdleFor, Log: logTo(to.err, level(c.Verbose)),
		Ready: func(page string) {
			fmt.Fprintf(to.out, "The demo bank is open. Start here: %s\n(Data: %s — Ctrl-C ends it, `%s` spares the browser's warning)\n", page, folder, trust)
		},
	}
	return withProfile(c.Profile, func() error { return demo.Run(ctx, cfg) })
}

func level(verbose bool) slog.Level {
	if verbose {
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

func logTo(w io.Writer, least slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: least}))
}

type demoTrust struct {
	demoData
	System bool `default:"true" negatable:"" help:"The system's own store too, which wants an administrator's rights."`
}

// Help says what the authority can do.
func (demoTrust) Help() string {
	return "The demo's authority can certify nothing but localhost and loopback addresses.\nRestart browsers that are open."
}

// Run puts the demo's authority into the stores.
func (c demoTrust) Run(to streams) error {
	folder, err := c.folder()
	if err != nil {
		return err
	}
	return demo.Trust(folder, c.System, to.out)
}

type demoUntrust struct {
	demoData
	System bool `default:"true" negatable:"" help:"The system's own store too, which wants an administrator's rights."`
}

// Run takes the demo's authority out of the stores.
func (c demoUntrust) Run(to streams) error {
	folder, err := c.folder()
	if err != nil {
		return err
	}
	return demo.Untrust(folder, c.System, to.out)
}
