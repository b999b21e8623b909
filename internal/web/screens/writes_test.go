package screens

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"renkei.dev/internal/i18n"
	"renkei.dev/internal/pki"
	"renkei.dev/internal/web"
)

// counting counts what is written to the connections of a listener.
type counting struct {
	net.Listener
	writes atomic.Int64
}

func (l *counting) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countingConn{c, &l.writes}, err
}

type countingConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countingConn) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

// A page is what fits into net/http's buffer beside its header, and the rest.
func TestAnAnswerGoesOutInFewWrites(t *testing.T) {
	s := testScreens(t)
	all := map[string]shown{}
	for _, p := range pages() {
		all[p.name] = p
	}
	for _, c := range []struct {
		name   string
		handle http.HandlerFunc
		most   int64
	}{
		{"consent", func(w http.ResponseWriter, r *http.Request) {
			p := all["consent_existing"]
			s.showJourney(w, r, p.journey, p.typed)
		}, 2},
		{"hand-over", func(w http.ResponseWriter, r *http.Request) {
			p := all["handover_allowed"]
			s.showJourney(w, r, p.journey, p.typed)
		}, 2},
		{"redirect", func(w http.ResponseWriter, r *http.Request) { web.SeeOther(w, "/link/jny_1/consent") }, 1},
	} {
		site := web.Site{Name: "login", Log: s.Log, Headers: web.Headers{Reports: "/reports"}}
		server := httptest.NewUnstartedServer(site.Wrap(c.handle))
		listener := &counting{Listener: server.Listener}
		server.Listener, server.TLS = listener, pki.ServerTLS()
		server.TLS.NextProtos = []string{"http/1.1"}
		server.StartTLS()
		client := server.Client()
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		for n := range 3 { // the first answers of a connection too: a customer's browser brings no others
			before := listener.writes.Load()
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/", nil)
			r.Header.Set("Accept-Language", string(i18n.Japanese))
			answer, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if err != nil || answer.ContentLength != int64(len(body)) {
				t.Errorf("%s: %d bytes of %d, %v", c.name, len(body), answer.ContentLength, err)
			}
			if went := listener.writes.Load() - before; n > 0 && went > c.most {
				t.Errorf("%s: %d bytes went out in %d writes instead of %d", c.name, len(body), went, c.most)
			}
		}
		server.Close()
	}
}
