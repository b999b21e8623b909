package store_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
)

// crowd is a bank at which everybody has ids of their own, so that presses do not
// wait for each other at one counter.
type crowd struct{ lenient }

func (c crowd) CheckPassword(ctx context.Context, id corebank.LoginID, p secret.Value) (corebank.User, error) {
	name, _, _ := strings.Cut(string(id), "/")
	return c.lenient.CheckPassword(ctx, corebank.LoginID(name), p)
}

// BenchmarkJourneyWithASession is BenchmarkJourney in browsers that are signed in:
// opening takes the place of the login.
func BenchmarkJourneyWithASession(b *testing.B) {
	for name, url := range databases(b) {
		if name == "serializable" {
			continue
		}
		b.Run(name, func(b *testing.B) {
			d := newDesk(b, open(b, store.Config{URL: url(b)}))
			d.svc.Rules.SessionFor = time.Hour
			d.svc.Bank = crowd{lenient{d}}
			first := d.open("fixed")
			first.press(d.logInWith("ok.pw/0", "demo-ok-pw-2468"))
			if first.signed.IsEmpty() {
				b.Fatal("no session began")
			}
			var n atomic.Int64
			b.ResetTimer()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					w := first.open("fixed", func(a *linkage.Asked) { a.Handle = fmt.Sprint("bench ", n.Add(1)) })
					if w.at.Consent == nil {
						b.Errorf("it stands at %s", w.at.Step)
						return
					}
					w.press(d.consent(linkage.ConsentPress{
						Intent: linkage.Proceed, Accounts: []corebank.AccountID{w.at.Consent.Accounts[0].Account.ID},
					}))
				}
			})
		})
	}
}

// BenchmarkJourney is a login and a consent, the shortest way through, with a
// bank that takes no time: what the engine and the database themselves cost.
func BenchmarkJourney(b *testing.B) {
	for name, url := range databases(b) {
		if name == "serializable" {
			continue
		}
		b.Run(name, func(b *testing.B) {
			d := newDesk(b, open(b, store.Config{URL: url(b)}))
			d.svc.Bank = crowd{lenient{d}}
			var n atomic.Int64
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					w := d.open("fixed", func(a *linkage.Asked) { a.Handle = fmt.Sprint("bench ", n.Add(1)) })
					w.press(d.logInWith(fmt.Sprint("ok.pw/", n.Add(1)), "demo-ok-pw-2468"))
					if w.at.Consent == nil {
						b.Errorf("it stands at %s", w.at.Step)
						return
					}
					w.press(d.consent(linkage.ConsentPress{
						Intent: linkage.Proceed, Accounts: []corebank.AccountID{w.at.Consent.Accounts[0].Account.ID},
					}))
				}
			})
		})
	}
}
