package main

import (
	"fmt"
	"strings"
	"time"

	"renkei.dev/internal/secret"
	"renkei.dev/internal/toolbox"
)

type dpopCommand struct {
	Proof dpopProof `cmd:"" help:"Make a DPoP proof for one request."`
	Check dpopCheck `cmd:"" help:"Say what a proof claims, and whether it fits a request."`
}

// Help returns examples.
func (dpopCommand) Help() string {
	return `Examples:
  renkei dpop proof --key dpop.pem --method POST --url https://link.example.jp/token --nonce n1
  renkei dpop proof --key dpop.pem --url https://api.example.jp/open-api/v1/accounts --token rat_…
  renkei dpop check --method GET --url https://api.example.jp/open-api/v1/accounts --token rat_… eyJ…
A key: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out dpop.pem`
}

// proofUse is the request that a proof goes with.
type proofUse struct {
	Token string `help:"The access token that goes with it, for ath." placeholder:"TOKEN"`
	Nonce string `help:"The server's nonce, from its DPoP-Nonce header." placeholder:"NONCE"`
}

type dpopProof struct {
	proofUse
	Key    string `required:"" help:"The private key of the proofs, PEM." placeholder:"FILE" type:"path"`
	Method string `help:"The request's method." default:"GET"`
	URL    string `required:"" name:"url" help:"The request's address." placeholder:"URL"`
}

// Run writes the proof.
func (c dpopProof) Run(to streams) error {
	key, err := toolbox.ReadKey(c.Key)
	if err != nil {
		return err
	}
	made, err := toolbox.Proof(key, toolbox.Use{Method: strings.ToUpper(c.Method), URL: c.URL, Token: secret.Of(c.Token), Nonce: c.Nonce}, time.Now())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(to.out, made.Reveal()) // which is what was asked for
	return err
}

type dpopCheck struct {
	proofUse
	Proof  string `arg:"" help:"The proof; - reads it from the standard input."`
	Method string `help:"The request's method." placeholder:"GET"`
	URL    string `name:"url" help:"The request's address." placeholder:"URL"`
}

// Run explains the proof.
func (c dpopCheck) Run(to streams) error {
	proof, err := given(c.Proof)
	if err != nil {
		return err
	}
	return toolbox.CheckProof(to.out, proof, toolbox.Use{Method: strings.ToUpper(c.Method), URL: c.URL, Token: secret.Of(c.Token), Nonce: c.Nonce}, time.Now())
}
