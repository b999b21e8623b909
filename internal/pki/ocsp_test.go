package pki_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/outbound"
	"renkei.dev/internal/pki"
)

// office is an authority that issues certificates and answers for them.
type office struct {
	t   *testing.T
	ca  *x509.Certificate
	key *ecdsa.PrivateKey

	mu     sync.Mutex
	serial int64
}

func (o *office) next() *big.Int {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.serial++
	return big.NewInt(o.serial)
}

func newOffice(t *testing.T, name string) *office {
	o := &office{t: t}
	o.ca, o.key = o.issue(func(c *x509.Certificate) {
		c.Subject.CommonName, c.IsCA, c.KeyUsage = name, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	})
	return o
}

func (o *office) issue(change func(*x509.Certificate)) (*x509.Certificate, *ecdsa.PrivateKey) {
	o.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		o.t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: o.next(), Subject: pkix.Name{CommonName: "user"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	change(c)
	parent, signer := o.ca, o.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		o.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		o.t.Fatal(err)
	}
	return leaf, key
}

// reply is how a responder answers; zero fields mean an honest good answer.
type reply struct {
	change  func(*ocsp.Response)
	by      *x509.Certificate // who signs; nil: the authority
	key     crypto.Signer
	issuer  *x509.Certificate // whom the CertID names; nil: the authority
	nonce   string            // echoed, other, or empty: none
	respond func(w http.ResponseWriter, r *http.Request)
}

// responder serves replies over HTTP; it counts what it was asked.
func (o *office) responder(now *reply) (*httptest.Server, *atomic.Int64) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if now.respond != nil {
			now.respond(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			o.t.Error(err)
		}
		request, err := ocsp.ParseRequest(body)
		if err != nil {
			o.t.Errorf("our request cannot be read: %v", err)
			return
		}
		template := ocsp.Response{Status: ocsp.Good, SerialNumber: request.SerialNumber, ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour)}
		if now.change != nil {
			now.change(&template)
		}
		by, key, issuer := o.ca, crypto.Signer(o.key), o.ca
		if now.by != nil {
			by, key, template.Certificate = now.by, now.key, now.by
		}
		if now.issuer != nil {
			issuer = now.issuer
		}
		raw, err := ocsp.CreateResponse(issuer, by, template, key)
		if err != nil {
			o.t.Error(err)
			return
		}
		if now.nonce != "" {
			nonce := nonceOf(o.t, body)
			if now.nonce == "other" {
				nonce = make([]byte, len(nonce))
			}
			raw = withNonce(o.t, raw, nonce, key)
		}
		w.Header().Set("Content-Type", "application/ocsp-response")
		w.Write(raw)
	}))
	o.t.Cleanup(server.Close)
	return server, &asked
}

var nonceID = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}

func nonceOf(t *testing.T, request []byte) []byte {
	t.Helper()
	var r struct {
		TBS struct {
			List       asn1.RawValue
			Extensions []pkix.Extension `asn1:"explicit,tag:2"`
		}
	}
	if _, err := asn1.Unmarshal(request, &r); err != nil || len(r.TBS.Extensions) != 1 || !r.TBS.Extensions[0].Id.Equal(nonceID) {
		t.Fatalf("the request has no nonce: %v", err)
	}
	var nonce []byte
	if _, err := asn1.Unmarshal(r.TBS.Extensions[0].Value, &nonce); err != nil || len(nonce) != 32 {
		t.Fatalf("nonce %x, %v", nonce, err)
	}
	return nonce
}

// withNonce adds a nonce to a response and signs it anew.
func withNonce(t *testing.T, raw, nonce []byte, key crypto.Signer) []byte {
	t.Helper()
	must := func(b []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var outer struct {
		Status asn1.Enumerated
		Bytes  struct {
			Type asn1.ObjectIdentifier
			Body []byte
		} `asn1:"explicit,tag:0"`
	}
	var basic struct {
		TBS          asn1.RawValue
		Algorithm    pkix.AlgorithmIdentifier
		Signature    asn1.BitString
		Certificates []asn1.RawValue `asn1:"explicit,tag:0,optional"`
	}
	if _, err := asn1.Unmarshal(raw, &outer); err != nil {
		t.Fatal(err)
	}
	if _, err := asn1.Unmarshal(outer.Bytes.Body, &basic); err != nil {
		t.Fatal(err)
	}
	extension := must(asn1.Marshal([]pkix.Extension{{Id: nonceID, Value: must(asn1.Marshal(nonce))}}))
	tagged := must(asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 1, IsCompound: true, Bytes: extension}))
	tbs := must(asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: append(basic.TBS.Bytes, tagged...)}))
	sum := sha256.Sum256(tbs)
	basic.TBS = asn1.RawValue{FullBytes: tbs}
	signature := must(key.Sign(rand.Reader, sum[:], crypto.SHA256))
	basic.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	outer.Bytes.Body = must(asn1.Marshal(basic))
	return must(asn1.Marshal(outer))
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

func TestAResponderIsAskedAndItsAnswerVerified(t *testing.T) {
	o, foreign := newOffice(t, "見本信用組合 利用者認証局"), newOffice(t, "見本信用組合 利用者認証局")
	leaf, leafKey := o.issue(func(*x509.Certificate) {})
	other, _ := o.issue(func(*x509.Certificate) {})
	delegate := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning} }
	appointed, appointedKey := o.issue(delegate)
	past, pastKey := o.issue(func(c *x509.Certificate) { delegate(c); c.NotAfter = time.Now().Add(-time.Minute) })
	theirs, theirsKey := foreign.issue(delegate)
	revokedAt := time.Now().Add(-10 * time.Minute).UTC().Truncate(time.Second)
	text := func(status int, body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); io.WriteString(w, body) }
	}

	for _, c := range []struct {
		name    string
		reply   reply
		revoked bool
		refused bool // nobody can tell
		always  bool // refused even where an unreachable responder is accepted
	}{
		{name: "good"},
		{name: "good, by a responder that the authority appointed", reply: reply{by: appointed, key: appointedKey}},
		{name: "good, with our nonce", reply: reply{nonce: "echoed"}},
		{name: "good, of just now and without an end", reply: reply{change: func(r *ocsp.Response) { r.NextUpdate = time.Time{} }}},
		{name: "revoked", reply: reply{change: func(r *ocsp.Response) { r.Status, r.RevokedAt = ocsp.Revoked, revokedAt }}, revoked: true},
		{name: "unknown", reply: reply{change: func(r *ocsp.Response) { r.Status = ocsp.Unknown }}, refused: true, always: true},
		{name: "stale", reply: reply{change: func(r *ocsp.Response) { r.NextUpdate = time.Now().Add(-time.Minute) }}, refused: true},
		{name: "old and without an end", reply: reply{change: func(r *ocsp.Response) { r.ThisUpdate, r.NextUpdate = time.Now().Add(-time.Hour), time.Time{} }}, refused: true},
		{name: "of the future", reply: reply{change: func(r *ocsp.Response) { r.ThisUpdate = time.Now().Add(time.Hour) }}, refused: true},
		{name: "forged by a stranger of the same name", reply: reply{by: foreign.ca, key: foreign.key, issuer: o.ca}, refused: true},
		{name: "forged by a stranger's responder", reply: reply{by: theirs, key: theirsKey, issuer: o.ca}, refused: true},
		{name: "forged by a customer with a certificate of the authority", reply: reply{by: leaf, key: leafKey}, refused: true},
		{name: "by a responder whose time is over", reply: reply{by: past, key: pastKey}, refused: true},
		{name: "about another certificate", reply: reply{change: func(r *ocsp.Response) { r.SerialNumber = other.SerialNumber }}, refused: true},
		{name: "about the same number of another issuer", reply: reply{issuer: foreign.ca}, refused: true},
		{name: "to another request", reply: reply{nonce: "other"}, refused: true},
		{name: "try later", reply: reply{respond: func(w http.ResponseWriter, _ *http.Request) { w.Write(ocsp.TryLaterErrorResponse) }}, refused: true},
		{name: "an error page", reply: reply{respond: text(http.StatusOK, "<html>")}, refused: true},
		{name: "a broken server", reply: reply{respond: text(http.StatusInternalServerError, "")}, refused: true},
		{name: "an answer without end", reply: reply{respond: func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 1<<20)) }}, refused: true},
		{name: "sent elsewhere", reply: reply{respond: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", http.StatusFound) }}, refused: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			server, asked := o.responder(&c.reply)
			for _, accept := range []bool{false, true} {
				known := &pki.OCSP{Responder: server.URL, Client: outbound.Client(loopback, 5*time.Second), AcceptUnreachable: accept}
				trust := pki.Trust{Authorities: []*x509.Certificate{o.ca}, Revocations: known}
				for range 3 {
					v := pki.Judge([]*x509.Certificate{leaf}, trust, x509.ExtKeyUsageClientAuth, time.Now())
					want := pki.Good
					switch {
					case c.revoked:
						want = pki.Revoked
					case c.refused && (!accept || c.always):
						want = pki.Undecided
					}
					if v.Reason != want || c.revoked && !v.RevokedAt.Equal(revokedAt) {
						t.Errorf("accept %v: %q (%v, %s), want %q", accept, v.Reason, v.Cause, v.RevokedAt, want)
					}
				}
			}
			if n := asked.Load(); n != 2 {
				t.Errorf("asked %d times for two servers of three logins each", n)
			}
		})
	}
}

func TestAnAnswerIsKeptUntilItsOwnEnd(t *testing.T) {
	o := newOffice(t, "CA")
	leaf, _ := o.issue(func(*x509.Certificate) {})
	answer := &reply{}
	server, asked := o.responder(answer)
	known := &pki.OCSP{Responder: server.URL, Client: outbound.Client(loopback, 5*time.Second)}
	now := time.Now()
	for i, at := range []time.Duration{0, 59 * time.Minute, 61 * time.Minute} {
		_, _, err := known.Revoked(leaf, o.ca, now.Add(at))
		if want := int64(1 + i/2); asked.Load() != want {
			t.Errorf("after %s asked %d times (%v)", at, asked.Load(), err)
		}
	}
	short := &pki.OCSP{Responder: server.URL, Client: known.Client, MaxAge: 5 * time.Minute}
	asked.Store(0)
	for i, at := range []time.Duration{0, 3 * time.Minute, 5 * time.Minute} {
		_, _, err := short.Revoked(leaf, o.ca, now.Add(at))
		if want := int64(1 + i/2); asked.Load() != want {
			t.Errorf("of five minutes at most: after %s asked %d times (%v)", at, asked.Load(), err)
		}
	}
}

// Whoever can silence a responder, or make it stumble over another certificate,
// must not get a revoked one accepted by that.
func TestARevokedCertificateStaysRevokedWhileTheResponderFails(t *testing.T) {
	o := newOffice(t, "CA")
	leaf, _ := o.issue(func(*x509.Certificate) {})
	other, _ := o.issue(func(*x509.Certificate) {})
	answer := &reply{change: func(r *ocsp.Response) { r.Status, r.RevokedAt = ocsp.Revoked, time.Now() }}
	server, asked := o.responder(answer)
	known := &pki.OCSP{Responder: server.URL, Client: outbound.Client(loopback, 5*time.Second), AcceptUnreachable: true}
	now := time.Now()
	if _, revoked, err := known.Revoked(leaf, o.ca, now); !revoked || err != nil {
		t.Fatalf("revoked: %v, %v", revoked, err)
	}
	answer.respond = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
	for _, after := range []time.Duration{2 * time.Hour, 2*time.Hour + time.Second} { // asked, and spared
		if _, revoked, err := known.Revoked(leaf, o.ca, now.Add(after)); !revoked || err != nil {
			t.Errorf("after %s of silence: revoked %v, %v", after, revoked, err)
		}
	}
	fresh := &pki.OCSP{Responder: server.URL, Client: known.Client, AcceptUnreachable: true}
	answer.respond = func(w http.ResponseWriter, _ *http.Request) { w.Write(ocsp.UnauthorizedErrorResponse) }
	if _, _, err := fresh.Revoked(other, o.ca, now); err != nil {
		t.Fatal(err)
	}
	answer.respond = nil
	asked.Store(0)
	if _, revoked, err := fresh.Revoked(leaf, o.ca, now); !revoked || err != nil || asked.Load() != 1 {
		t.Errorf("after it did not answer for another: revoked %v, %v, asked %d times", revoked, err, asked.Load())
	}
}

func TestManyLoginsAskOnce(t *testing.T) {
	o := newOffice(t, "CA")
	leaf, _ := o.issue(func(*x509.Certificate) {})
	release := make(chan struct{})
	answer := &reply{respond: func(http.ResponseWriter, *http.Request) { <-release }}
	server, asked := o.responder(answer)
	known := &pki.OCSP{Responder: server.URL, Client: outbound.Client(loopback, 20*time.Second)}
	var waiting sync.WaitGroup
	for range 50 {
		waiting.Go(func() {
			if _, _, err := known.Revoked(leaf, o.ca, time.Now()); fault.Of(err) != fault.Unavailable {
				t.Errorf("%v", err)
			}
		})
	}
	for asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	close(release)
	waiting.Wait()
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
}

func TestAResponderIsAskedWithinItsTimeAtPermittedAddressesAlone(t *testing.T) {
	o := newOffice(t, "CA")
	ctx, release := context.WithCancel(t.Context())
	slow, _ := o.responder(&reply{respond: func(http.ResponseWriter, *http.Request) { <-ctx.Done() }})
	defer release()
	named, _ := o.issue(func(c *x509.Certificate) { c.OCSPServer = []string{slow.URL} })
	began := time.Now()
	if _, _, err := (&pki.OCSP{Client: outbound.Client(loopback, 200*time.Millisecond)}).Revoked(named, o.ca, time.Now()); !errors.Is(err, fault.Unavailable) {
		t.Errorf("a responder that hangs: %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it held us up for %s", took)
	}
	inside, asked := o.responder(&reply{})
	named, _ = o.issue(func(c *x509.Certificate) { c.OCSPServer = []string{inside.URL} })
	if _, _, err := (&pki.OCSP{Client: outbound.Client(nil, time.Second)}).Revoked(named, o.ca, time.Now()); !errors.Is(err, fault.Unavailable) || asked.Load() != 0 {
		t.Errorf("an inner address that a certificate names: %v, asked %d times", err, asked.Load())
	}
	if _, _, err := (&pki.OCSP{Client: outbound.Client(loopback, time.Second)}).Revoked(named, o.ca, time.Now()); err != nil {
		t.Errorf("the same where it is permitted: %v", err)
	}
	nameless, _ := o.issue(func(c *x509.Certificate) { c.OCSPServer = []string{"ldap://127.0.0.1/"} })
	if _, _, err := (&pki.OCSP{Client: outbound.Client(loopback, time.Second)}).Revoked(nameless, o.ca, time.Now()); !errors.Is(err, fault.Unavailable) {
		t.Errorf("a certificate without a responder: %v", err)
	}
}

func TestACertificateMustBeGoodForListAndResponder(t *testing.T) {
	o := newOffice(t, "CA")
	leaf, _ := o.issue(func(*x509.Certificate) {})
	list := func(nextUpdate time.Time, revoked ...*x509.Certificate) *pki.List {
		t.Helper()
		r := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-2 * time.Hour), NextUpdate: nextUpdate}
		for _, c := range revoked {
			r.RevokedCertificateEntries = append(r.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: time.Now().Add(-time.Hour)})
		}
		der, err := x509.CreateRevocationList(rand.Reader, r, o.ca, o.key)
		if err != nil {
			t.Fatal(err)
		}
		l, err := pki.ParseList(der, 0)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	good, dead := &reply{}, &reply{respond: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }}
	gone := &reply{change: func(r *ocsp.Response) { r.Status, r.RevokedAt = ocsp.Revoked, time.Now() }}
	fresh, old := list(time.Now().Add(time.Hour)), list(time.Now().Add(-time.Hour))
	for _, c := range []struct {
		name   string
		list   *pki.List
		reply  *reply
		accept bool
		want   pki.Reason
	}{
		{"both good", fresh, good, false, pki.Good},
		{"revoked in the list", list(time.Now().Add(time.Hour), leaf), good, false, pki.Revoked},
		{"revoked at the responder", fresh, gone, false, pki.Revoked},
		{"a list that is too old", old, good, false, pki.Undecided},
		{"no answer", fresh, dead, false, pki.Undecided},
		{"no answer, which is accepted: the list decides", fresh, dead, true, pki.Good},
		{"no answer, which is accepted, and a list that is too old", old, dead, true, pki.Undecided},
	} {
		t.Run(c.name, func(t *testing.T) {
			server, _ := o.responder(c.reply)
			known := &pki.OCSP{Responder: server.URL, Client: outbound.Client(loopback, 5*time.Second), Beside: c.list, AcceptUnreachable: c.accept}
			v := pki.Judge([]*x509.Certificate{leaf}, pki.Trust{Authorities: []*x509.Certificate{o.ca}, Revocations: known}, x509.ExtKeyUsageClientAuth, time.Now())
			if v.Reason != c.want {
				t.Errorf("%q (%v), want %q", v.Reason, v.Cause, c.want)
			}
		})
	}
}
