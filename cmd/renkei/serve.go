package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"renkei.dev/internal/app"
	"renkei.dev/internal/config"
)

type serveCommand struct {
	Config string `required:"" help:"The configuration file; docs/operations/renkei.example.yaml shows all settings." placeholder:"FILE" type:"path"`
	Check  bool   `help:"Only tell everything that is wrong with the file."`
	Print  bool   `help:"Only write the settings as they are in effect; no secret stands in them."`
}

// Help returns examples.
func (serveCommand) Help() string {
	return `Examples:
  renkei serve --config /etc/renkei/renkei.yaml --check
  renkei serve --config /etc/renkei/renkei.yaml`
}

// Run serves until it is interrupted.
func (c serveCommand) Run(ctx context.Context, to streams) error {
	settings, material, err := config.Read(c.Config, time.Now())
	if err != nil {
		return err
	}
	switch {
	case c.Print:
		return settings.Print(to.out)
	case c.Check:
		return c.check(ctx, to, settings, material)
	}
	var least slog.Level
	if err := least.UnmarshalText([]byte(settings.LogLevel)); err != nil {
		least = slog.LevelInfo // the file was checked
	}
	log := slog.New(slog.NewJSONHandler(to.err, &slog.HandlerOptions{Level: least}))
	server, err := app.Open(ctx, app.Config{Settings: settings, Material: material, Log: log})
	if err != nil {
		return err
	}
	log.Info("serving", "institutions", len(settings.Institutions))
	return server.Serve(ctx)
}

// check goes beyond the file: a start needs signing keys, which may stand in the
// database alone. What could not be checked is not called right.
func (c serveCommand) check(ctx context.Context, to streams, settings config.File, material config.Material) error {
	notYet, err := app.CheckKeys(ctx, settings, material, time.Now())
	if err != nil {
		return err
	}
	fmt.Fprintf(to.out, "%s is right: %d institution(s).\n", c.Config, len(settings.Institutions))
	if notYet != nil {
		fmt.Fprintf(to.out, "The signing keys are those of files alone; the database was not looked at: %s.\n", sentence(notYet))
	}
	return nil
}
