package demo_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/oauth"
)

func TestAChangeOfSigningKeysHoldsOnEveryNodeWithinASecond(t *testing.T) {
	private.Need(t)
	database := private.Create(t)
	f := newFleet(t, database, 2)
	desk := f.d.desk(t)
	for _, round := range []struct {
		name string
		deaf bool
	}{{"with news", false}, {"with the connections for news cut again and again", true}} {
		t.Run(round.name, func(t *testing.T) {
			if round.deaf {
				defer cutNews(t, database)()
			}
			k, err := jose.Generate(jose.ES256, time.Now(), time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			f.published(t, k.KID, false)
			for _, change := range []audit.Change{
				oauth.KeyAdded{Issuer: oauth.FAPIIssuer, Key: oauth.SigningKey{Key: k}, By: staff, At: time.Now()},
				oauth.KeyRemoved{Issuer: oauth.FAPIIssuer, KID: k.KID, From: jose.Next, By: staff, At: time.Now()},
			} {
				if err := desk.Store.Commit(t.Context(), change); err != nil {
					t.Fatal(err)
				}
				_, added := change.(oauth.KeyAdded)
				f.published(t, k.KID, added)
			}
		})
	}
}

// published waits until every node publishes a key, or none does any more, and no
// longer than a stop may take.
func (f *fleet) published(t *testing.T, kid string, want bool) {
	t.Helper()
	began := time.Now()
	var all sync.WaitGroup
	for i, n := range f.nodes {
		all.Go(func() {
			for {
				asked := time.Since(began)
				if strings.Contains(string(n.app.Institutions[0].Engine.KeySet()), kid) == want {
					t.Logf("node %d: published %v after %v", i, want, time.Since(began))
					return
				}
				if asked > stopsWithin {
					t.Errorf("node %d: published is still not %v after %v", i, want, asked)
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	all.Wait()
}
