package app_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/app"
	"renkei.dev/internal/jose"
)

// through is a client of the bank's hosts that shows a certificate of its own.
func (b *bank) through(key *ecdsa.PrivateKey, shown *x509.Certificate, listener string) *http.Client {
	c := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: b.roots, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &tls.Certificate{Certificate: [][]byte{shown.Raw}, PrivateKey: key}, nil
		}},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", b.listeners[listener].Addr().String())
		},
	}}
	b.t.Cleanup(c.CloseIdleConnections)
	return c
}

func TestAPartnersCertificateReachesTokenAndAPIThroughAProxy(t *testing.T) {
	b := newBank(t)
	authorityKey, authority := b.certificate(nil, true)
	b.put("proxy-ca.crt", "CERTIFICATE", authority.Raw)
	b.edit("admin:", "proxies: {addresses: [127.0.0.1], authority: proxy-ca.crt, names: [proxy1.example]}\nadmin:")
	proxyKey, _ := b.certificate(nil, false)
	template := &x509.Certificate{
		SerialNumber: authority.SerialNumber, DNSNames: []string{"proxy1.example"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(nil, template, authority, proxyKey.Public(), authorityKey)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}

	partnerKey, own := b.certificate([]string{"sakura.example"}, false)
	strangerKey, stranger := b.certificate([]string{"sakura.example"}, false)
	jwk := certificateJWK(t, own)
	d := b.desk("ume")
	_, _, err = app.RegisterPartner(t.Context(), d.Store, d.Issuer, fmt.Appendf(nil, `{"partner": {"id": "sakura-kaikei", "service": "さくら会計", "corporation": "さくら計算株式会社",
		"registration_number": "関東財務局長（電代）第9003号", "contact": {"desk": "お客さま窓口", "phone": "03-0000-9003"}, "functions": ["balance"], "contract_from": "2026-04-01"},
		"client": {"client_id": "cl_sakura", "redirect_uris": ["https://sakura.example/callback"], "token_endpoint_auth_method": "self_signed_tls_client_auth",
		"tls_client_certificate_bound_access_tokens": true, "grant_types": ["authorization_code", "refresh_token", "client_credentials"], "jwks": {"keys": [%s]}}}`, jwk), clerk, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	stop := b.serve()
	defer stop()

	// call makes a request with the certificate in a header, through a client.
	call := func(c *http.Client, method, address, token string, header *x509.Certificate, form url.Values) (int, string) {
		t.Helper()
		r, err := http.NewRequest(method, address, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		if form != nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		if header != nil {
			r.Header.Set("Client-Cert", ":"+base64.StdEncoding.EncodeToString(header.Raw)+":")
		}
		r.Header.Set("Forwarded", "for=198.51.100.7")
		answer, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(body)
	}
	const tokenAt, apiAt = "https://mtls.ume.example/token", "https://api.ume.example/open-api/v1/accounts"
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"cl_sakura"}, "scope": {"grant_management_query"}}
	atToken := func(key *ecdsa.PrivateKey, c *x509.Certificate) *http.Client { return b.through(key, c, ":8445") }
	for _, c := range []struct {
		name   string
		client *http.Client
		header *x509.Certificate
		want   int
	}{
		{"through the proxy", atToken(proxyKey, proxy), own, http.StatusOK},
		{"directly", atToken(partnerKey, own), nil, http.StatusOK},
		{"the proxy itself", atToken(proxyKey, proxy), nil, http.StatusUnauthorized},
		{"another's certificate through the proxy", atToken(proxyKey, proxy), stranger, http.StatusUnauthorized},
		{"the partner's certificate in a stranger's header", atToken(strangerKey, stranger), own, http.StatusUnauthorized},
	} {
		if status, body := call(c.client, http.MethodPost, tokenAt, "", c.header, form); status != c.want {
			t.Errorf("%s: %d %s", c.name, status, body)
		}
	}

	_, body := call(atToken(proxyKey, proxy), http.MethodPost, tokenAt, "", own, form)
	var got struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || got.Token == "" {
		t.Fatalf("%s: %v", body, err)
	}
	atAPI := func(key *ecdsa.PrivateKey, c *x509.Certificate) *http.Client { return b.through(key, c, ":8446") }
	for _, c := range []struct {
		name   string
		client *http.Client
		header *x509.Certificate
		want   int // 403: the token is the caller's, and opens no accounts
	}{
		{"the API through the proxy", atAPI(proxyKey, proxy), own, http.StatusForbidden},
		{"the API directly", atAPI(partnerKey, own), nil, http.StatusForbidden},
		{"the API with another's certificate through the proxy", atAPI(proxyKey, proxy), stranger, http.StatusUnauthorized},
		{"the API with a stranger's header", atAPI(strangerKey, stranger), own, http.StatusUnauthorized},
	} {
		if status, body := call(c.client, http.MethodGet, apiAt, got.Token, c.header, nil); status != c.want {
			t.Errorf("%s: %d %s", c.name, status, body)
		}
	}
}

// certificateJWK is the JWK by which a partner registers a certificate of its own.
func certificateJWK(t *testing.T, c *x509.Certificate) string {
	t.Helper()
	public := c.PublicKey.(*ecdsa.PublicKey)
	point, err := public.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	kid, err := jose.Thumbprint(public)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding
	return fmt.Sprintf(`{"kty":"EC","crv":"P-256","kid":%q,"x":%q,"y":%q,"x5c":[%q]}`, kid, b64.EncodeToString(point[1:33]), b64.EncodeToString(point[33:]), base64.StdEncoding.EncodeToString(c.Raw))
}
