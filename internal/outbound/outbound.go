// Package outbound makes the requests that leave the bank for addresses which
// others wrote: a client's jwks_uri, a certificate's OCSP responder. They go to
// public addresses alone, judged when the connection is made, so that no name can
// lead inside by resolving anew, and they are bounded in time (security.md P21).
//
// It does not know what is asked for. Start with Client.
package outbound

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"renkei.dev/internal/fault"
)

// Client returns a client for such requests: no redirects, no proxy of the
// environment's, each request done within a time. permitted opens networks beside
// the public ones, such as a partner's own line; nil for none.
func Client(permitted []netip.Prefix, within time.Duration) *http.Client {
	dialer := &net.Dialer{Timeout: within, Control: func(_, address string, _ syscall.RawConn) error {
		return judge(address, permitted)
	}}
	return &http.Client{
		Timeout: within,
		Transport: &http.Transport{
			Proxy: nil, DialContext: dialer.DialContext, TLSHandshakeTimeout: within, ResponseHeaderTimeout: within,
			MaxResponseHeaderBytes: 16 << 10, MaxIdleConns: 16, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("no redirect is followed") },
	}
}

// notPublic are the networks that netip's own words do not cover.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("fec0::/10"),
}

// judge refuses a connection to an address that is not public.
func judge(address string, permitted []netip.Prefix) error {
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
