package config

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/pki"
)

// ResourceServer is another API of the bank's that access tokens open. It proves
// itself at introspection by a certificate or by a key.
type ResourceServer struct {
	Name         string   `key:"name"`         // rs_NAME is its client_id at introspection
	Audience     Audience `key:"audience"`     // of its tokens: its address, or the API's own
	Tokens       string   `key:"tokens"`       // opaque, or signed (RFC 9068)
	Certificates Path     `key:"certificates"` // PEM; those that it shows over mutual TLS
	Keys         Path     `key:"keys"`         // a JWK set; those that sign its assertions
}

func (r *ResourceServer) defaults() { r.Tokens = "opaque" }

// StepUp is what inquiries need of the login behind them (RFC 9470).
type StepUp struct {
	Functions []string      `key:"functions"` // balance, transactions, deposits
	ACR       []string      `key:"acr"`       // one of these; none: any
	MaxAge    time.Duration `key:"max_age"`   // 0: any
}

// Audience is an absolute https address without a fragment (RFC 8707 §2).
type Audience string

func (a *Audience) parse(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" || strings.Contains(text, "#") {
		return errors.New("must be an https address such as https://data.example.jp")
	}
	*a = Audience(text)
	return nil
}

// ResourceServerMaterial is what a resource server proves itself by.
type ResourceServerMaterial struct {
	Certificates []*x509.Certificate
	JWKS         []byte
}

func (c *checker) resourceServers(path string, in *Institution) {
	for i, r := range in.ResourceServers {
		at := fmt.Sprintf("%s.resource_servers[%d]", path, i)
		if !namePattern.MatchString(r.Name) || slices.ContainsFunc(in.ResourceServers[:i], func(o ResourceServer) bool { return o.Name == r.Name }) {
			c.faultAt(at+".name", "must be 1 to 40 of a-z, 0-9 and -, and stand once")
		}
		c.needs(at+".audience", r.Audience != "")
		if slices.ContainsFunc(in.ResourceServers[:i], func(o ResourceServer) bool { return o.Audience == r.Audience }) {
			c.faultAt(at+".audience", "stands twice")
		}
		if r.Tokens != "opaque" && r.Tokens != "signed" {
			c.faultAt(at+".tokens", "must be opaque or signed")
		}
		switch {
		case (r.Certificates == "") == (r.Keys == ""):
			c.faultAt(at, "needs either certificates or keys, by which it proves itself")
		case r.Certificates != "" && in.MutualTLS == nil:
			c.faultAt(at+".certificates", "need mutual_tls, where they are shown")
		}
	}
}

func (c *checker) stepUp(path string, all []StepUp) {
	known := make([]string, len(corebank.Functions))
	for i, f := range corebank.Functions {
		known[i] = string(f)
	}
	for i, s := range all {
		at := fmt.Sprintf("%s.step_up[%d]", path, i)
		if len(s.Functions) == 0 || slices.ContainsFunc(s.Functions, func(f string) bool { return !slices.Contains(known, f) }) {
			c.faultAt(at+".functions", "must name some of %s", strings.Join(known, ", "))
		}
		for _, f := range s.Functions {
			if slices.ContainsFunc(all[:i], func(o StepUp) bool { return slices.Contains(o.Functions, f) }) {
				c.faultAt(at+".functions", "names %s, which an earlier one names too", f)
			}
		}
		contexts := []string{"password", "password_question", "certificate_password"}
		if slices.ContainsFunc(s.ACR, func(a string) bool { return !slices.Contains(contexts, a) }) {
			c.faultAt(at+".acr", "must be of %s", strings.Join(contexts, ", "))
		}
		if len(s.ACR) == 0 && s.MaxAge == 0 {
			c.faultAt(at, "demands nothing: name acr, max_age or both")
		}
		c.lasts(at+".max_age", s.MaxAge, 0, 365*day)
	}
}

func (c *checker) resourceServerMaterial(path string, r ResourceServer) ResourceServerMaterial {
	var m ResourceServerMaterial
	if r.Certificates != "" {
		all, err := pki.LoadCertificates(string(r.Certificates))
		if err != nil {
			c.faultAt(path+".certificates", "cannot be used: %s", reason(err))
		}
		for _, one := range all {
			if pki.IsDemo(one) {
				c.faultAt(path+".certificates", "holds one of a demo, which must not be used for anything else")
			}
		}
		m.Certificates = all
	}
	if r.Keys != "" {
		raw, err := os.ReadFile(string(r.Keys))
		if err != nil {
			c.faultAt(path+".keys", "cannot be read: %s", reason(err))
			return m
		}
		set, err := jose.ParseSet(raw)
		switch {
		case err != nil:
			c.faultAt(path+".keys", "cannot be used: %s", err)
		case set.Len() == 0:
			c.faultAt(path+".keys", "hold no key that can be used")
		}
		m.JWKS = raw
	}
	return m
}
