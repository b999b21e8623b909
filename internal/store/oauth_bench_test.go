package store_test

import (
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/linkage"
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

// BenchmarkIntrospection is what of an introspection, and of a call over mutual
// TLS, the store does.
func BenchmarkIntrospection(b *testing.B) {
	onEach(b, func(w *protocolWorld, n int) []func() error {
		var keys []oauth.Key
		for range 100 {
			_, k := w.ownToken()
			keys = append(keys, k)
		}
		work := make([]func() error, n)
		for i := range work {
			work[i] = func() error { _, err := w.in.AccessToken(w.t.Context(), keys[i%len(keys)]); return err }
		}
		return work
	})
}

// BenchmarkPINInUse is the look-up that every call of the bank begins with.
func BenchmarkPINInUse(b *testing.B) {
	onEach(b, func(w *protocolWorld, n int) []func() error {
		const accounts = 100
		var seeds linkage.PINsSeeded
		for i := range accounts {
			seeds.PINs = append(seeds.PINs, linkage.StoredPIN{Account: corebank.AccountID(fmt.Sprintf("001-1-%07d", i)), User: "usr", State: linkage.Registered, Sealed: make([]byte, 60), Version: 1, At: w.Now()})
		}
		seeds.Done = audit.Act{Name: linkage.PINConfirmedName, At: w.Now(), Actor: audit.Actor{Kind: audit.System}, Outcome: audit.Done}
		if err := w.in.Commit(w.t.Context(), seeds); err != nil {
			b.Fatal(err)
		}
		work := make([]func() error, n)
		for i := range work {
			work[i] = func() error {
				pins, _, _, err := w.in.PINInUse(w.t.Context(), seeds.PINs[i%accounts].Account, w.Now())
				if err == nil && len(pins) != 1 {
					err = fmt.Errorf("%d PINs", len(pins))
				}
				return err
			}
		}
		return work
	})
}
