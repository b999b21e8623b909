package app_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A megabyte of headers is refused as soon as it is too much, at every listener
// (protocol.md §4 item 12). The quickest of some tries counts, so that a busy
// machine does not.
func TestAMegabyteOfHeadersIsRefusedAtOnce(t *testing.T) {
	b := newBank(t)
	stop := b.serve()
	defer stop()
	for listener, name := range map[string]string{":8443": "link.ume.example", ":8445": "mtls.ume.example", ":8446": "api.ume.example"} {
		quickest := time.Hour
		for range 5 {
			c, err := tls.Dial("tcp", b.listeners[listener].Addr().String(), &tls.Config{RootCAs: b.roots, ServerName: name, NextProtos: []string{"http/1.1"}})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			go func() {
				// The server may hang up before all of it is sent, as it should.
				_, _ = fmt.Fprintf(c, "GET /jwks HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", name, strings.Repeat("a", 1<<20))
			}()
			answer, err := http.ReadResponse(bufio.NewReader(c), nil)
			took := time.Since(began)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			answer.Body.Close()
			c.Close()
			if answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Fatalf("%s: %s", name, answer.Status)
			}
			quickest = min(quickest, took)
		}
		if quickest > 50*time.Millisecond {
			t.Errorf("%s: refused after %s", name, quickest)
		}
	}
}

// Hosts chosen by name speak HTTP/2 as the server means them to; those that ask for a
// customer's certificate speak HTTP/1.1 alone (journey.md rule 1).
func TestEveryHostButTheCertificatesSpeaksHTTP2(t *testing.T) {
	b := newBank(t)
	stop := b.serve()
	defer stop()
	for _, host := range []struct{ listener, name, speaks string }{
		{":8443", "link.ume.example", "h2"}, {":8445", "mtls.ume.example", "h2"}, {":8446", "api.ume.example", "h2"},
		{":8444", "cert1.ume.example", "http/1.1"},
	} {
		c, err := tls.Dial("tcp", b.listeners[host.listener].Addr().String(), &tls.Config{RootCAs: b.roots, ServerName: host.name, NextProtos: []string{"h2", "http/1.1"}})
		if err != nil {
			t.Fatalf("%s: %v", host.name, err)
		}
		if got := c.ConnectionState().NegotiatedProtocol; got != host.speaks {
			t.Errorf("%s speaks %q, not %s", host.name, got, host.speaks)
		}
		c.Close()
	}
}
