package protocol

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/oauth"
)

const fetchWithin = 3 * time.Second

// FetchKeys returns what reads the key sets of clients at their jwks_uri: https
// only, no redirect, bounded in size and time, and only from public addresses,
// judged when the connection is made, so that no name can lead inside by
// resolving anew (security.md P21). permitted opens further networks, such as a
// partner's own line; nil for none. Errors of a fetch: fault.Unavailable.
func FetchKeys(permitted []netip.Prefix) oauth.KeyFetcher {
	dialer := &net.Dialer{Timeout: fetchWithin, Control: func(_, address string, _ syscall.RawConn) error {
		return judgeAddress(address, permitted)
	}}
	client := &http.Client{
		Timeout: fetchWithin,
		Transport: &http.Transport{
			Proxy: nil, DialContext: dialer.DialContext, TLSHandshakeTimeout: fetchWithin, ResponseHeaderTimeout: fetchWithin,
			MaxResponseHeaderBytes: 16 << 10, MaxIdleConns: 16, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("a jwks_uri does not redirect") },
	}
	return func(ctx context.Context, uri string) ([]byte, error) { return fetchKeys(ctx, client, uri) }
}

func fetchKeys(ctx context.Context, client *http.Client, uri string) ([]byte, error) {
	const doing = "fetch a key set"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil || r.URL.Scheme != "https" {
		return nil, fault.New(fault.Unavailable, "%s: no https address", doing)
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	answer, err := client.Do(r)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, doing, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fault.New(fault.Unavailable, "%s: status %d", doing, answer.StatusCode)
	}
	raw, err := io.ReadAll(io.LimitReader(answer.Body, jose.MaxSet+1))
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, doing, err)
	}
	if len(raw) > jose.MaxSet {
		return nil, fault.New(fault.Unavailable, "%s: too long", doing)
	}
	return raw, nil
}

// notPublic are the networks that netip's own words do not cover.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"),
}

// judgeAddress refuses a connection to an address that is not public.
func judgeAddress(address string, permitted []netip.Prefix) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fault.New(fault.Refused, "connect to %s: no address", address)
	}
	ip := to.Addr().Unmap().WithZone("")
	for _, p := range permitted {
		if p.Contains(ip) {
			return nil
		}
	}
	inside := !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast()
	for _, p := range notPublic {
		inside = inside || p.Contains(ip)
	}
	if inside {
		return fault.New(fault.Refused, "connect to %s: not a public address", address)
	}
	return nil
}
