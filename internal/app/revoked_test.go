package app_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/app"
)

// partnerOffice issues certificates to partners, and lists of revoked ones.
type partnerOffice struct {
	b   *bank
	key *ecdsa.PrivateKey
	ca  *x509.Certificate
	n   int64
}

func (b *bank) partnerOffice() *partnerOffice {
	b.t.Helper()
	o := &partnerOffice{b: b}
	o.key, o.ca = b.certificate(nil, true)
	return o
}

// accepted makes it the authority of the bank's partners.
func (o *partnerOffice) accepted(nextUpdate time.Time, revoked ...*x509.Certificate) {
	o.b.t.Helper()
	o.n++
	list := &x509.RevocationList{Number: big.NewInt(o.n), ThisUpdate: time.Now().Add(-2 * time.Hour), NextUpdate: nextUpdate}
	for _, c := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: time.Now()})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, o.ca, o.key)
	if err != nil {
		o.b.t.Fatal(err)
	}
	o.b.put("partner-ca.crt", "CERTIFICATE", o.ca.Raw)
	o.b.put("partner-ca.crl", "X509 CRL", der)
}

func (o *partnerOffice) issue(name string) (*ecdsa.PrivateKey, *x509.Certificate) {
	o.b.t.Helper()
	key, _ := o.b.certificate(nil, false)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, o.ca, key.Public(), o.key)
	if err != nil {
		o.b.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		o.b.t.Fatal(err)
	}
	return key, c
}

func TestACertificateIsJudgedAnewAtEachRequestAndEachStart(t *testing.T) {
	b := newBank(t)
	b.edit("    connector:", "    partner_ca: {certificates: partner-ca.crt, revoked: partner-ca.crl}\n    connector:")
	office := b.partnerOffice()
	office.accepted(time.Now().Add(time.Hour))
	key, own := office.issue("cl_sakura")
	d := b.desk("ume")
	_, _, err := app.RegisterPartner(t.Context(), d.Store, d.Issuer, []byte(`{"partner": {"id": "sakura-kaikei", "service": "さくら会計", "corporation": "さくら計算株式会社",
		"registration_number": "関東財務局長（電代）第9003号", "contact": {"desk": "お客さま窓口", "phone": "03-0000-9003"}, "functions": ["balance"], "contract_from": "2026-04-01"},
		"client": {"client_id": "cl_sakura", "redirect_uris": ["https://sakura.example/callback"], "token_endpoint_auth_method": "tls_client_auth",
		"tls_client_auth_subject_dn": "CN=cl_sakura", "grant_types": ["authorization_code", "client_credentials"], "tls_client_certificate_bound_access_tokens": true}}`), clerk, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	client := b.through(key, own, ":8445")
	client.Transport.(*http.Transport).TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	var reused, resumed bool
	ask := func() int {
		t.Helper()
		form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"cl_sakura"}, "scope": {"grant_management_query"}}
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }})
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://mtls.ume.example/token", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			t.Fatal(err)
		}
		resumed = answer.TLS.DidResume
		return answer.StatusCode
	}
	// becomes asks until the answer is the wanted one, for as long as a good
	// verdict is remembered at most.
	becomes := func(what string, want int) {
		t.Helper()
		got := 0
		for deadline := time.Now().Add(10 * time.Second); got != want && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			got = ask()
		}
		if got != want {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}

	stop := b.serve()
	becomes("a certificate of the authority's", http.StatusOK)
	office.accepted(time.Now().Add(time.Hour), own)
	becomes("revoked, on the connection that was open", http.StatusUnauthorized)
	if !reused {
		t.Error("this was another connection")
	}
	office.accepted(time.Now().Add(time.Hour))
	becomes("no longer revoked", http.StatusOK)
	office.accepted(time.Now().Add(-time.Hour))
	becomes("a list that is too old", http.StatusServiceUnavailable)
	office.accepted(time.Now().Add(time.Hour))
	becomes("a fresh list", http.StatusOK)
	client.CloseIdleConnections()
	becomes("on a new connection", http.StatusOK)
	if resumed {
		t.Error("a session was resumed where certificates count")
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}

	other := b.partnerOffice()
	other.accepted(time.Now().Add(time.Hour))
	clear(b.listeners)
	stop = b.serve()
	becomes("the authority is accepted no longer", http.StatusUnauthorized)
	if resumed {
		t.Error("a session of before the change was resumed")
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}

	for name, change := range map[string]func(){
		"no file":                      func() { b.edit("partner-ca.crt", "none.crt") },
		"a file without a certificate": func() { b.write("partner-ca.crt", []byte("rubbish")) },
		"no list":                      func() { b.write("partner-ca.crl", []byte("rubbish")) },
	} {
		change()
		if server, err := b.open(); err == nil {
			server.Close()
			t.Errorf("%s: the server starts", name)
		} else if !strings.Contains(fmt.Sprint(err), "partner_ca") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
