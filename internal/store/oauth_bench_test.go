package store_test

import (
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"renkei.dev/internal/oauth"
	"renkei.dev/internal/store"
)

// The hot paths of performance.md, without HTTP. Requests are signed before the
// clock runs, as far as memory allows.

func BenchmarkPush(b *testing.B) {
	onEach(b, func(w *protocolWorld, n int) []func() error {
		return prepared(n, func() func() error {
			c := w.call(w.client, oauth.PAREndpoint, asking(w.client))
			return func() error { _, err := w.Engine.Push(w.t.Context(), c); return err }
		})
	})
}

func BenchmarkClientCredentialsWithDPoP(b *testing.B) {
	onEach(b, func(w *protocolWorld, n int) []func() error {
		return prepared(n, func() func() error {
			return w.asks(url.Values{"grant_type": {"client_credentials"}, "scope": {"partner"}})
		})
	})
}

func BenchmarkRefreshWithDPoP(b *testing.B) {
	onEach(b, func(w *protocolWorld, n int) []func() error {
		code, _ := w.code(w.client, asking(w.client))
		got, err := w.redeem(w.client, code)
		if err != nil {
			b.Fatal(err)
		}
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.Refresh.Reveal()}}
		return prepared(n, func() func() error {
			return w.asks(url.Values{"grant_type": form["grant_type"], "refresh_token": form["refresh_token"]})
		})
	})
}

func BenchmarkRedeemWithDPoP(b *testing.B) {
	onEach(b, func(w *protocolWorld, n int) []func() error {
		return prepared(n, func() func() error {
			s := w.client.Again()
			code, _ := w.code(s, asking(s))
			return w.asks(w.redeeming(s, code))
		})
	})
}

func BenchmarkAccessWithDPoP(b *testing.B) {
	onEach(b, func(w *protocolWorld, n int) []func() error {
		code, _ := w.code(w.client, asking(w.client))
		got, err := w.redeem(w.client, code)
		if err != nil {
			b.Fatal(err)
		}
		return prepared(n, func() func() error {
			r := w.opening(w.client, got.Access.Reveal())
			return func() error { _, err := w.Engine.Access(w.t.Context(), r); return err }
		})
	})
}

func (w *protocolWorld) asks(form url.Values) func() error {
	c := w.call(w.client, oauth.TokenEndpoint, form)
	return func() error { _, err := w.Engine.Token(w.t.Context(), c); return err }
}

func prepared(n int, one func() func() error) []func() error {
	all := make([]func() error, n)
	for i := range all {
		all[i] = one()
	}
	return all
}

func onEach(b *testing.B, prepare func(w *protocolWorld, n int) []func() error) {
	for name, url := range databases(b) {
		if name == "serializable" {
			continue
		}
		for _, workers := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("%s/workers=%d", name, workers), func(b *testing.B) {
				w := newProtocol(b, open(b, store.Config{URL: url(b)}), nil)
				work := prepare(w, b.N)
				var next atomic.Int64
				var all sync.WaitGroup
				b.ResetTimer()
				began := time.Now()
				for range workers {
					all.Go(func() {
						for n := next.Add(1); n <= int64(len(work)); n = next.Add(1) {
							if err := work[n-1](); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				all.Wait()
				b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "ops/s")
			})
		}
	}
}
