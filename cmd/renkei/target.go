package main

import (
	"context"
	"os/user"
	"slices"
	"strings"
	"time"

	"renkei.dev/internal/app"
	"renkei.dev/internal/audit"
	"renkei.dev/internal/config"
	"renkei.dev/internal/demo"
	"renkei.dev/internal/fault"
)

// target is whose data a command of the bank's staff works on.
type target struct {
	Config      string `help:"The configuration file of a server." placeholder:"FILE" type:"path" xor:"target"`
	Data        string `help:"The data directory of a demo (default without --config)." placeholder:"DIR" type:"path" xor:"target"`
	Institution string `help:"The institution, where the configuration has several." placeholder:"NAME"`
}

// settings reads what the target is made of. Errors: fault.NotFound for an
// institution that it does not have.
func (t target) settings() (config.File, config.Material, error) {
	f, m, err := t.read()
	if err != nil || t.Institution == "" || slices.Contains(institutions(f), t.Institution) {
		return f, m, err
	}
	return f, m, fault.New(fault.NotFound, "the configuration has no institution %q; it has %s", t.Institution, strings.Join(institutions(f), ", "))
}

func (t target) read() (config.File, config.Material, error) {
	if t.Config != "" {
		return config.Read(t.Config, time.Now())
	}
	folder, err := demoData{t.Data}.folder()
	if err != nil {
		return config.File{}, config.Material{}, err
	}
	return demo.Settings(folder, time.Now())
}

// institutions are the names of all that a configuration has.
func institutions(f config.File) []string {
	names := make([]string, len(f.Institutions))
	for i, in := range f.Institutions {
		names[i] = in.Name
	}
	return names
}

// open opens the database of the target, of one institution. The caller closes
// the desk.
func (t target) open(ctx context.Context) (*app.Desk, error) {
	settings, material, err := t.settings()
	if err != nil {
		return nil, err
	}
	name := t.Institution
	switch {
	case name == "" && len(settings.Institutions) == 1:
		name = settings.Institutions[0].Name
	case name == "":
		return nil, fault.New(fault.Invalid, "the configuration has several institutions (%s): name one with --institution", strings.Join(institutions(settings), ", "))
	}
	return app.OpenDesk(ctx, settings, material, name)
}

// operator is who acts, as the audit log knows it.
func operator() audit.Actor {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return audit.Actor{Kind: audit.Operator, ID: name}
}
