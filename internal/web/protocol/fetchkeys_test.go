package protocol_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"renkei.dev/internal/web/protocol"
)

func TestKeysAreFetchedFromPublicAddressesAlone(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("we connected") }))
	defer server.Close()
	fetch := protocol.FetchKeys(nil)
	for _, uri := range []string{
		server.URL, "http://example.com/jwks", "https://127.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://10.0.0.1/", "https://192.168.0.1/",
		"https://169.254.169.254/latest/meta-data", "https://[fe80::1]/", "https://[fd00::1]/", "https://0.0.0.0/", "https://100.64.0.1/", "https://[64:ff9b::7f00:1]/", "https://[fec0::1]/", "https://[::10.0.0.1]/",
		"https://localhost/", "https://2130706433/", "file:///etc/passwd", "gopher://127.0.0.1/", "",
	} {
		if _, err := fetch(t.Context(), uri); err == nil {
			t.Errorf("%s was fetched", uri)
		}
	}
}
