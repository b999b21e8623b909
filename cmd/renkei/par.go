package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"time"

	"renkei.dev/internal/demo"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/toolbox"
)

type parCommand struct {
	party
	Partner        string            `help:"The demo's partner to stand in for, with --demo (default: the first)." placeholder:"ID"`
	Client         string            `help:"The client_id." placeholder:"ID"`
	Key            string            `help:"The client's private key, PEM; none: it proves itself by --certificate." placeholder:"FILE" type:"path"`
	KID            string            `name:"kid" help:"The kid under which it is registered (default: its thumbprint)." placeholder:"KID"`
	DPoPKey        string            `name:"dpop-key" help:"The private key of the client's DPoP proofs, PEM." placeholder:"FILE" type:"path"`
	Certificate    string            `help:"The client's certificate, PEM: the request goes to the mutual-TLS address." placeholder:"FILE" type:"path"`
	CertificateKey string            `help:"The certificate's private key, PEM." placeholder:"FILE" type:"path"`
	RedirectURI    string            `name:"redirect-uri" help:"Where the browser comes back to." placeholder:"URL"`
	Scope          string            `help:"What is asked for, e.g. \"openid account.balance\"." placeholder:"WORDS"`
	Param          map[string]string `help:"Any further parameter, e.g. --param max_age=0; may stand several times." placeholder:"NAME=VALUE" mapsep:"none"`
	Sign           bool              `help:"Send the parameters as a signed request object (RFC 9101)."`
	JSON           bool              `help:"As JSON."`
}

// Help returns examples.
func (parCommand) Help() string {
	return `Pushes an authorization request (RFC 9126) and says where to send the browser.

Examples:
  renkei par --demo ~/.config/renkei-demo                  as the demo's first partner
  renkei par --demo ~/.config/renkei-demo --partner tsuzumi-shikin --json
  renkei par --issuer https://link.example.jp --client cl_x --key client.pem --dpop-key dpop.pem \
     --redirect-uri https://x.example/callback --scope "openid account.balance account.transactions"
  renkei par --issuer https://link.example.jp --client cl_y --certificate y.crt --certificate-key y.key \
     --redirect-uri https://y.example/callback --scope account.balance --param state=abc --sign`
}

// Run pushes the request.
func (c parCommand) Run(ctx context.Context, to streams) error {
	as, err := c.as()
	if err != nil {
		return err
	}
	params := map[string]string{"redirect_uri": cmp.Or(c.RedirectURI, as.RedirectURI), "scope": cmp.Or(c.Scope, as.Scope)}
	for name, value := range c.Param {
		params[name] = value
	}
	if params["scope"] == "" {
		delete(params, "scope")
	}
	if params["redirect_uri"] == "" {
		return fault.New(fault.Invalid, "--redirect-uri is missing: one that the client registered")
	}
	client, err := toolbox.HTTPClient(as.CAFile, as.Certificate)
	if err != nil {
		return err
	}
	pushed, err := toolbox.Push(ctx, client,
		toolbox.Client{ID: as.ClientID, Key: as.SigningKey, KID: as.SigningKID, DPoPKey: as.ProofKey},
		toolbox.Request{Issuer: as.Issuer, Params: params, Signed: c.Sign, MutualTLS: as.Certificate != nil}, time.Now)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(to, pushed)
	}
	fmt.Fprintf(to.out, "Open within %d seconds:\n%s\n\n", pushed.ExpiresIn, pushed.AuthorizeURL)
	var t table
	t.row("request_uri", pushed.RequestURI)
	t.row("state", pushed.State)
	if pushed.Nonce != "" {
		t.row("nonce", pushed.Nonce)
	}
	t.row("code_verifier", pushed.Verifier)
	if pushed.JKT != "" {
		t.row("dpop_jkt", pushed.JKT)
	}
	if err := t.flush(to.out); err != nil {
		return err
	}
	fmt.Fprintln(to.out, "\nCompare state when the browser comes back; code_verifier goes with the code to the token endpoint.")
	return nil
}

// as returns whom to stand in for: a partner of the demo, and in its place or
// beside it what the flags name.
func (c parCommand) as() (as demo.AsPartner, err error) {
	if c.Demo != "" {
		if as, err = demo.PartnerOf(c.Demo, c.Partner); err != nil {
			return as, err
		}
	} else if c.Issuer == "" || c.Client == "" {
		return as, fault.New(fault.Invalid, "--issuer and --client are missing, or --demo")
	}
	as.Issuer, as.ClientID = cmp.Or(c.Issuer, as.Issuer), cmp.Or(c.Client, as.ClientID)
	as.CAFile, as.SigningKID = cmp.Or(c.CA, as.CAFile), cmp.Or(c.KID, as.SigningKID)
	if c.Key != "" {
		if as.SigningKey, err = toolbox.ReadKey(c.Key); err != nil {
			return as, err
		}
		as.SigningKID = c.KID
	}
	if c.DPoPKey != "" {
		if as.ProofKey, err = toolbox.ReadKey(c.DPoPKey); err != nil {
			return as, err
		}
	}
	if (c.Certificate == "") != (c.CertificateKey == "") {
		return as, fault.New(fault.Invalid, "--certificate and --certificate-key go together")
	}
	if c.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(c.Certificate, c.CertificateKey)
		if err != nil {
			return as, fault.New(fault.Invalid, "the certificate cannot be used: %s", err)
		}
		as.Certificate = &pair
	}
	if as.SigningKey == nil && as.Certificate == nil {
		return as, fault.New(fault.Invalid, "--key is missing, or --certificate: the client has to prove itself")
	}
	return as, nil
}
