package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"renkei.dev/internal/demo"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/toolbox"
)

type jwtCommand struct {
	Decode    jwtDecode    `cmd:"" help:"Say what a token claims, and whether it holds."`
	Assertion jwtAssertion `cmd:"" help:"Make a client assertion for private_key_jwt."`
}

// Help returns examples.
func (jwtCommand) Help() string {
	return `Examples:
  renkei jwt decode eyJhbGciOi…                                 header, claims and times
  renkei jwt decode --issuer https://link.example.jp eyJ…       its signature too, by the issuer's keys
  renkei jwt decode --jwks partner.jwks.json --audience https://link.example.jp - < assertion.txt
  renkei jwt decode --demo ~/.config/renkei-demo eyJ…           a token of a demo on this machine
  renkei jwt assertion --key client.pem --client cl_x --issuer https://link.example.jp`
}

// party is whose server a tool speaks to.
type party struct {
	Issuer string `help:"The issuer, e.g. https://link.example.jp." placeholder:"URL" xor:"party"`
	Demo   string `help:"A demo's data directory, as renkei demo names it at its start." placeholder:"DIR" type:"path" xor:"party"`
	CA     string `name:"ca" help:"PEM file of an authority to trust beside the system's." placeholder:"FILE" type:"path"`
}

// given reads a token: the argument, or for "-" the standard input.
func given(text string) (string, error) {
	if text != "-" {
		return strings.TrimSpace(text), nil
	}
	raw, err := io.ReadAll(io.LimitReader(os.Stdin, 1<<20))
	if err != nil {
		return "", fault.Wrap(fault.Invalid, "read the token", err)
	}
	return strings.TrimSpace(string(raw)), nil
}

type jwtDecode struct {
	party
	Token    string `arg:"" help:"The token; - reads it from the standard input."`
	JWKS     string `name:"jwks" help:"Address or file of the key set to verify by." placeholder:"URL|FILE"`
	Audience string `help:"Who must stand in aud." placeholder:"NAME"`
	Type     string `name:"typ" help:"What typ must be, e.g. at+jwt." placeholder:"NAME"`
}

// Run explains the token.
func (c jwtDecode) Run(ctx context.Context, to streams) error {
	token, err := given(c.Token)
	if err != nil {
		return err
	}
	issuer, ca := c.Issuer, c.CA
	if c.Demo != "" {
		as, err := demo.PartnerOf(c.Demo, "")
		if err != nil {
			return err
		}
		issuer, ca = as.Issuer, as.CAFile
	}
	x := toolbox.Expect{Issuer: issuer, Audience: c.Audience, Type: c.Type, Now: time.Now()}
	if x.Keys, err = c.keys(ctx, issuer, ca); err != nil {
		return err
	}
	return toolbox.Explain(to.out, token, x)
}

// keys reads the keys to verify by; nil where none are named.
func (c jwtDecode) keys(ctx context.Context, issuer, ca string) (*jose.Set, error) {
	if c.JWKS == "" && issuer == "" {
		return nil, nil
	}
	client, err := toolbox.HTTPClient(ca, nil)
	if err != nil {
		return nil, err
	}
	from := c.JWKS
	if from == "" {
		m, err := toolbox.Discover(ctx, client, issuer)
		if err != nil {
			return nil, err
		}
		from = m.JWKS
	}
	return toolbox.Keys(ctx, client, from)
}

type jwtAssertion struct {
	Key    string        `required:"" help:"The client's private key, PEM." placeholder:"FILE" type:"path"`
	KID    string        `name:"kid" help:"The kid under which it is registered (default: its thumbprint)." placeholder:"KID"`
	Client string        `required:"" help:"The client_id." placeholder:"ID"`
	Issuer string        `required:"" help:"The issuer, which is the aud." placeholder:"URL"`
	For    time.Duration `help:"How long it is good." default:"1m"`
}

// Run writes the assertion.
func (c jwtAssertion) Run(to streams) error {
	if c.For <= 0 || c.For > time.Hour {
		return fault.New(fault.Invalid, "--for must be up to 1h")
	}
	key, err := toolbox.ReadKey(c.Key)
	if err != nil {
		return err
	}
	made, err := toolbox.Assertion(key, c.KID, c.Client, c.Issuer, c.For, time.Now())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(to.out, made.Reveal()) // which is what was asked for
	return err
}
