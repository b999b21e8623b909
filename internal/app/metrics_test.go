package app_test

import (
	"strings"
	"testing"
)

const monitoring = "http://127.0.0.1/metrics"

func TestMetricsTellWhatWasAskedAndHowItEnded(t *testing.T) {
	b := newBank(t)
	stop := b.serve()
	defer stop()
	b.get(":8443", "https://link.ume.example/jwks", "")
	b.get(":8443", "https://link.ume.example/jwks?who=usr_hanako", "")
	b.get(":8443", "https://link.sakura.example/link/12345678-typed-by-somebody/login", "")
	b.get(":8443", "https://link.ume.example/no-such-page/usr_hanako", "")
	b.get(":8446", "https://api.ume.example/open-api/v1/accounts/secret-account/balance", "")
	b.get(":9450", "http://127.0.0.1/readyz", "")
	_, body, _ := b.get(":9450", monitoring, "")
	for _, want := range []string{
		`renkei_http_requests_total{endpoint="GET /jwks",institution="ume",outcome="done",site="login"} 2`,
		`renkei_http_requests_total{endpoint="GET /link/{journey}/{step}",institution="sakura",outcome="refused",site="login"} 1`,
		`renkei_http_requests_total{endpoint="/",institution="ume",outcome="refused",site="login"} 1`,
		`renkei_http_requests_total{endpoint="GET /open-api/v1/accounts/{accountId}/balance",institution="ume",outcome="refused",site="api"} 1`,
		`renkei_http_request_seconds_count{endpoint="GET /jwks",site="login"} 2`,
		`renkei_database_up 1`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
	for _, private := range []string{"hanako", "typed-by", "secret-account"} {
		if strings.Contains(body, private) {
			t.Errorf("the figures say %q", private)
		}
	}
	if t.Failed() {
		t.Log(body)
	}
}

// O07: what an operator's machinery asks is not for the outside.
func TestNoPublicListenerTellsMetrics(t *testing.T) {
	b := newBank(t)
	stop := b.serve()
	defer stop()
	for listener, address := range map[string]string{
		":8443": "https://link.ume.example", ":8446": "https://api.ume.example", ":8444": "https://cert1.ume.example", ":8445": "https://mtls.ume.example",
	} {
		if b.listeners[listener] == nil {
			t.Errorf("nobody listens at %s", listener)
			continue
		}
		for _, path := range []string{"/metrics", "/livez", "/readyz", "/debug/pprof/"} {
			if status, body, _ := b.get(listener, address+path, ""); status < 400 || strings.Contains(body, "renkei_") {
				t.Errorf("%s%s: %d", address, path, status)
			}
		}
	}
}
