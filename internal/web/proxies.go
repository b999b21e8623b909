package web

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dunglas/httpsfv"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/pki"
)

// Proxies are the machines before ours that end TLS and tell in headers who
// called: with which certificate (RFC 9440) and from where (RFC 7239). They are
// believed only over mutual TLS of their own from an address of their own.
type Proxies struct {
	Addresses   []netip.Prefix
	Authorities []*x509.Certificate // who issued the certificates by which they prove themselves
	Names       []string            // one of which such a certificate bears as a DNS name
	Now         func() time.Time
	Log         *slog.Logger

	mu     sync.Mutex
	judged map[[sha256.Size]byte]time.Time // certificates that were good, and when that was found
	warned time.Time
}

const (
	proxyJudgedFor  = 10 * time.Second // how long a proxy's certificate counts as judged
	proxyWarnsEvery = time.Minute
	maxJudged       = 1000
	maxChain        = 6 // certificates of a client, as pki.Judge reads them
)

// At tells whether a connection from the address may be a proxy's, so that it is
// asked for a certificate. It may be called on nil.
func (p *Proxies) At(address net.Addr) bool {
	return p != nil && p.holds(addressIn(address.String()))
}

// AskIn returns a host's TLS settings for connections from the proxies' addresses:
// they ask for a proxy's certificate. No tickets, since a resumed session would
// repeat a certificate whose authority is believed no longer.
func (p *Proxies) AskIn(c *tls.Config) *tls.Config {
	asked := c.Clone()
	asked.ClientAuth, asked.ClientCAs, asked.SessionTicketsDisabled = tls.RequestClientCert, pki.Pool(p.Authorities), true
	return asked
}

// Wrap returns h with every request as its client made it: through a proxy, the
// certificates in r.TLS are the client's and r.RemoteAddr is where it called from.
// From anybody else such headers are taken away, by whatever spelling, so that
// nothing behind can believe them. The Host and scheme of such headers never count.
// It may be called on nil, where there are no proxies.
func (p *Proxies) Wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p == nil || !p.believes(r) {
			dropHeaders(r.Header)
			h.ServeHTTP(w, r)
			return
		}
		chain, err := clientChain(r.Header)
		if err != nil {
			p.Log.Warn("a proxy sent a Client-Cert that cannot be read", "proxy", r.RemoteAddr, "error", err)
			http.Error(w, http.StatusText(http.StatusBadRequest), http.StatusBadRequest)
			return
		}
		client, known := p.caller(r)
		if !known {
			p.warn(r.RemoteAddr)
		}
		behind := new(http.Request)
		*behind = *r
		state := *r.TLS
		state.PeerCertificates, state.VerifiedChains = chain, nil
		behind.TLS = &state
		behind.RemoteAddr = net.JoinHostPort(client.String(), "0")
		dropHeaders(behind.Header)
		h.ServeHTTP(w, behind)
	})
}

// believes tells whether a request came from a proxy, which proved it.
func (p *Proxies) believes(r *http.Request) bool {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 || !p.holds(addressIn(r.RemoteAddr)) {
		return false
	}
	now, leaf := p.Now(), r.TLS.PeerCertificates[0]
	digest := sha256.Sum256(leaf.Raw)
	p.mu.Lock()
	at, known := p.judged[digest]
	p.mu.Unlock()
	if age := now.Sub(at); known && age >= 0 && age < proxyJudgedFor {
		return true
	}
	v := pki.Judge(r.TLS.PeerCertificates, pki.Trust{Authorities: p.Authorities}, x509.ExtKeyUsageClientAuth, now)
	named := slices.ContainsFunc(p.Names, func(n string) bool { return leaf.VerifyHostname(n) == nil })
	if v.Reason != pki.Good || !named {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.judged == nil || len(p.judged) >= maxJudged {
		p.judged = map[[sha256.Size]byte]time.Time{}
	}
	p.judged[digest] = now
	return true
}

func (p *Proxies) holds(a netip.Addr) bool {
	return slices.ContainsFunc(p.Addresses, func(n netip.Prefix) bool { return n.Contains(a) })
}

// caller returns where a request came from: the last address that the proxies do
// not have themselves, read from the end, since what a client sent stands in front.
// Without one it is the proxy's own, and not known.
func (p *Proxies) caller(r *http.Request) (netip.Addr, bool) {
	proxy := addressIn(r.RemoteAddr)
	hops := strings.Split(strings.Join(r.Header.Values("Forwarded"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		from := forwardedFor(hop)
		if !from.IsValid() {
			break
		}
		if !p.holds(from) {
			return from, true
		}
	}
	return proxy, false
}

func (p *Proxies) warn(proxy string) {
	now := p.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.warned) >= proxyWarnsEvery {
		p.warned = now
		p.Log.Warn("a proxy does not tell in Forwarded where its requests come from; all count as its own", "proxy", proxy)
	}
}

// forwardedFor returns the node of one Forwarded element (RFC 7239 §4, §6); the
// zero Addr where it is hidden, unknown or unreadable.
func forwardedFor(element string) netip.Addr {
	var found netip.Addr
	for pair := range strings.SplitSeq(element, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if !strings.EqualFold(strings.TrimSpace(name), "for") {
			continue
		}
		if found.IsValid() {
			return netip.Addr{} // twice: whose is it?
		}
		found = addressIn(strings.Trim(strings.TrimSpace(value), `"`))
	}
	return found
}

// addressIn reads an address with or without a port or brackets.
func addressIn(text string) netip.Addr {
	if host, _, err := net.SplitHostPort(text); err == nil {
		text = host
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

// clientChain reads Client-Cert and Client-Cert-Chain (RFC 9440 §2.2, §2.3); nil
// where the client showed no certificate. Errors: fault.Invalid.
func clientChain(h http.Header) ([]*x509.Certificate, error) {
	leaf, rest := h.Values("Client-Cert"), h.Values("Client-Cert-Chain")
	if len(leaf) == 0 {
		if len(rest) > 0 {
			return nil, fault.New(fault.Invalid, "a chain without its certificate")
		}
		return nil, nil
	}
	if len(leaf) > 1 {
		return nil, fault.New(fault.Invalid, "Client-Cert stands twice")
	}
	item, err := httpsfv.UnmarshalItem(leaf)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "read Client-Cert", err)
	}
	items := []httpsfv.Member{item}
	if len(rest) > 0 {
		list, err := httpsfv.UnmarshalList(rest)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, "read Client-Cert-Chain", err)
		}
		items = append(items, list...)
	}
	if len(items) > maxChain {
		return nil, fault.New(fault.Invalid, "a chain of more than %d certificates", maxChain)
	}
	chain := make([]*x509.Certificate, len(items))
	for i, m := range items {
		one, isItem := m.(httpsfv.Item)
		der, isBytes := one.Value.([]byte)
		if !isItem || !isBytes {
			return nil, fault.New(fault.Invalid, "a certificate that is no byte sequence")
		}
		if chain[i], err = x509.ParseCertificate(der); err != nil {
			return nil, fault.Wrap(fault.Invalid, "read a client's certificate", err)
		}
	}
	return chain, nil
}

// told are the beginnings of the names by which proxies tell of certificates and
// addresses, in lower case and with - for _.
var told = []string{
	"client-cert", "x-client-cert", "ssl-client", "x-ssl", "x-tls-client", "x-arr-clientcert", "x-amzn-mtls",
	"forwarded", "x-forwarded", "x-real-ip", "x-client-ip", "true-client-ip", "x-cluster-client-ip", "cf-connecting-ip", "x-original-forwarded",
}

func dropHeaders(h http.Header) {
	for name := range h {
		for _, t := range told {
			if beginsLike(name, t) {
				delete(h, name)
				break
			}
		}
	}
}

// beginsLike compares without case, with _ as -, and without an allocation: every
// request passes here.
func beginsLike(name, told string) bool {
	if len(name) < len(told) || name[0]|0x20 != told[0] {
		return false
	}
	for i := range len(told) {
		b := name[i]
		switch {
		case 'A' <= b && b <= 'Z':
			b += 'a' - 'A'
		case b == '_':
			b = '-'
		}
		if b != told[i] {
			return false
		}
	}
	return true
}
