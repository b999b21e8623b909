package pki

import (
	"bytes"
	"context"
	"crypto"
	_ "crypto/sha1" // names certificates in requests, as responders expect (RFC 6960 §4.3); nothing is signed with it
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ocsp"
	"golang.org/x/sync/singleflight"

	"renkei.dev/internal/fault"
)

// OCSP asks the responder of a certificate's authority whether it was revoked
// (RFC 6960). An answer is believed for as long as it says itself.
type OCSP struct {
	// Responder is where to ask; empty: where the certificate itself says.
	Responder string
	// Client makes the requests: to permitted addresses only, bounded in time.
	Client *http.Client
	// MaxAge bounds how long an answer is believed; 0: as it says.
	MaxAge time.Duration
	// AcceptUnreachable lets certificates pass while the responder does not answer
	// usefully: Beside decides then, where there is one.
	AcceptUnreachable bool
	// Beside is asked first, and a certificate must be good for both; nil: none.
	Beside Revocations

	once   singleflight.Group
	mu     sync.Mutex
	known  map[answerKey]ocspAnswer
	silent map[string]time.Time // responders → when one last failed
}

type answerKey [sha256.Size]byte

// ocspAnswer is what a responder said of one certificate.
type ocspAnswer struct {
	status    int
	revokedAt time.Time
	until     time.Time
}

const (
	maxOCSP       = 64 << 10         // bytes of an answer
	maxAnswers    = 10_000           // kept at once
	silentFor     = 5 * time.Second  // how long a responder that failed is spared
	timelessFor   = time.Minute      // how long an answer without nextUpdate is believed
	timelessMaxAt = 10 * time.Minute // and how old it may be
	nonceSize     = 32               // RFC 8954 §2.1
)

// Revoked asks the list beside, then the responder, unless its answer is known.
// Errors: fault.Unavailable when the responder does not answer, answers with
// something stale, forged or about another certificate, or does not know this one.
func (o *OCSP) Revoked(c, issuer *x509.Certificate, now time.Time) (time.Time, bool, error) {
	if o.Beside != nil {
		if at, revoked, err := o.Beside.Revoked(c, issuer, now); revoked || err != nil {
			return at, revoked, err
		}
	}
	responder := o.responderOf(c)
	if responder == "" {
		if o.Beside != nil {
			return time.Time{}, false, nil // such as an intermediate authority, which the list answers for
		}
		return time.Time{}, false, fault.New(fault.Unavailable, "the certificate of %s names no OCSP responder", Subject(c))
	}
	answer, err := o.answerFor(c, issuer, responder, now)
	switch {
	case err != nil && answer.status == ocsp.Revoked: // it was, and silence does not undo that
		return answer.revokedAt, true, nil
	case err != nil && o.AcceptUnreachable:
		return time.Time{}, false, nil
	case err != nil:
		return time.Time{}, false, fault.Wrap(fault.Unavailable, "ask the OCSP responder of "+Subject(issuer), err)
	case answer.status == ocsp.Revoked:
		return answer.revokedAt, true, nil
	case answer.status != ocsp.Good:
		return time.Time{}, false, fault.New(fault.Unavailable, "the OCSP responder of %s does not know the certificate", Subject(issuer))
	}
	return time.Time{}, false, nil
}

func (o *OCSP) responderOf(c *x509.Certificate) string {
	if o.Responder != "" {
		return o.Responder
	}
	for _, u := range c.OCSPServer {
		if strings.HasPrefix(u, "http://") || strings.HasPrefix(u, "https://") {
			return u
		}
	}
	return ""
}

// answerFor returns what the responder says. Beside an error stands what it said
// last, good where there is nothing.
func (o *OCSP) answerFor(c, issuer *x509.Certificate, responder string, now time.Time) (ocspAnswer, error) {
	key := answerKey(sha256.Sum256(slices.Concat(issuer.Raw, c.SerialNumber.Bytes())))
	o.mu.Lock()
	known, is := o.known[key]
	failed := o.silent[responder]
	o.mu.Unlock()
	if is && now.Before(known.until) {
		return known, nil
	}
	if age := now.Sub(failed); !failed.IsZero() && age >= 0 && age < silentFor {
		return known, errors.New("it failed a moment ago")
	}
	got, err, _ := o.once.Do(string(key[:]), func() (any, error) {
		answer, err := o.ask(c, issuer, responder, now)
		o.keep(key, answer, responder, err, now)
		return answer, err
	})
	if err != nil {
		return known, err
	}
	return got.(ocspAnswer), nil
}

func (o *OCSP) keep(key answerKey, answer ocspAnswer, responder string, err error, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if said, is := errors.AsType[ocsp.ResponseError](err); is && said.Status == ocsp.Unauthorized {
		return // it answers, though not for this certificate: the others need not suffer
	}
	if err != nil {
		if o.silent == nil || len(o.silent) >= maxAnswers {
			o.silent = map[string]time.Time{}
		}
		o.silent[responder] = now
		return
	}
	delete(o.silent, responder)
	if o.known == nil {
		o.known = map[answerKey]ocspAnswer{}
	}
	if len(o.known) >= maxAnswers {
		for k, a := range o.known {
			if !now.Before(a.until) {
				delete(o.known, k)
			}
		}
		if len(o.known) >= maxAnswers {
			clear(o.known)
		}
	}
	o.known[key] = answer
}

// ask makes one request. Whatever is not a right answer is an error.
func (o *OCSP) ask(c, issuer *x509.Certificate, responder string, now time.Time) (ocspAnswer, error) {
	request, nonce, err := ocspRequest(c, issuer)
	if err != nil {
		return ocspAnswer{}, err
	}
	// Several logins may wait for the one request: none of them ends it.
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, responder, bytes.NewReader(request))
	if err != nil {
		return ocspAnswer{}, err
	}
	r.Header.Set("Content-Type", "application/ocsp-request")
	r.Header.Set("Accept", "application/ocsp-response")
	got, err := o.Client.Do(r)
	if err != nil {
		return ocspAnswer{}, err
	}
	defer got.Body.Close()
	if got.StatusCode != http.StatusOK {
		return ocspAnswer{}, fault.New(fault.Unavailable, "status %d", got.StatusCode)
	}
	raw, err := io.ReadAll(io.LimitReader(got.Body, maxOCSP+1))
	if err != nil {
		return ocspAnswer{}, err
	}
	if len(raw) > maxOCSP {
		return ocspAnswer{}, errors.New("the answer is too long")
	}
	return o.read(raw, nonce, c, issuer, now)
}

// read holds an answer against everything that RFC 6960 §3.2 asks for.
func (o *OCSP) read(raw, nonce []byte, c, issuer *x509.Certificate, now time.Time) (ocspAnswer, error) {
	said, err := ocsp.ParseResponseForCert(raw, c, issuer)
	if err != nil {
		return ocspAnswer{}, err
	}
	if err := maySpeakFor(said.Certificate, issuer, now); err != nil {
		return ocspAnswer{}, err
	}
	if err := isAbout(said, nonce, c, issuer); err != nil {
		return ocspAnswer{}, err
	}
	until := said.NextUpdate
	switch {
	case now.Before(said.ThisUpdate.Add(-maxSkew)):
		return ocspAnswer{}, errors.New("the answer is of the future")
	case until.IsZero() && now.After(said.ThisUpdate.Add(timelessMaxAt)):
		return ocspAnswer{}, errors.New("the answer is old and does not say how long it holds")
	case until.IsZero():
		until = now.Add(timelessFor)
	case !now.Before(until):
		return ocspAnswer{}, errors.New("the answer is stale")
	}
	if o.MaxAge > 0 {
		if oldest := said.ThisUpdate.Add(o.MaxAge); oldest.Before(until) {
			until = oldest
		}
		if !now.Before(until) {
			return ocspAnswer{}, errors.New("the answer is older than it may be")
		}
	}
	return ocspAnswer{said.Status, said.RevokedAt, until}, nil
}

// maySpeakFor tells whether who signed an answer is the issuer itself or one whom
// it appointed (RFC 6960 §4.2.2.2): its signature was checked before, its purpose
// was not, and every customer's certificate has such a signature.
func maySpeakFor(responder, issuer *x509.Certificate, now time.Time) error {
	switch {
	case responder == nil || responder.Equal(issuer):
		return nil
	case !bytes.Equal(responder.RawIssuer, issuer.RawSubject):
		return errors.New("the answer is signed by another authority's responder")
	case !slices.Contains(responder.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return errors.New("the answer is signed by a certificate that is not for that")
	case now.Before(responder.NotBefore) || now.After(responder.NotAfter):
		return errors.New("the responder's certificate is not valid now")
	}
	return nil
}

// hashOf is what a CertID names an issuer by.
func hashOf(h crypto.Hash, data []byte) []byte {
	d := h.New()
	d.Write(data)
	return d.Sum(nil)
}
