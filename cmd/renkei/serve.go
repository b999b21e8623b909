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
		fmt.Fprintf(to.out, "%s is right: %d institution(s).\n", c.Config, len(settings.Institutions))
		return nil
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
