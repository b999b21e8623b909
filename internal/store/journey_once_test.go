package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
)

// stage is a journey brought to the page of one button.
type stage struct {
	name   string
	to     func(d *desk) *browser
	button func(b *browser) pressing
	asks   string // the bank's method that the press asks once, and how often
	often  int
	act    audit.Name
	leads  linkage.Step
}

// stages is every button of every page of a journey.
func stages() []stage {
	at := func(p func(d *desk) *browser, more ...func(b *browser) pressing) func(d *desk) *browser {
		return func(d *desk) *browser {
			b := p(d)
			for _, m := range more {
				b.press(m(b))
				b.load()
			}
			return b
		}
	}
	login := func(user string) func(b *browser) pressing {
		return func(b *browser) pressing { return b.logIn(user) }
	}
	fixed := func(d *desk) *browser { return d.open("fixed") }
	chooser := func(d *desk) *browser { return d.open("chooser") }
	choose := func(b *browser) pressing { return b.choose(corebank.BalanceInquiry) }
	pins := func(b *browser) pressing { return b.pins() }
	allow := func(b *browser) pressing { return b.allow() }
	wrong := func(b *browser) pressing { return b.answer("そば") }
	signed := func(p partner.ID) func(d *desk) *browser {
		return func(d *desk) *browser {
			d.svc.Rules.SessionFor = time.Hour
			b := d.open("fixed")
			b.press(d.logIn("ok.pw"))
			return b.open(p)
		}
	}
	method := func(f func(b *browser) pressing) func(b *browser) pressing { return f }
	return []stage{
		{"API連携 (ID)", fixed, login("ok.pw"), "CheckPassword", 1, linkage.LoginDone, linkage.ConsentStep},
		{"API連携 (ID), wrong", fixed, func(b *browser) pressing { return b.logInWith("ok.pw", "wrong") }, "CheckPassword", 1, linkage.LoginDone, linkage.LoginStep},
		{"API連携 (ID), stopped user", fixed, login("ng.locked"), "CheckPassword", 1, linkage.LoginDone, linkage.EndedStep},
		{"API連携 (certificate)", at(func(d *desk) *browser { return d.withCertificate("fixed", "usr_ok.cert") }), func(b *browser) pressing { return b.logInCertificate("demo-ok-cert-2468") }, "CheckPasswordOf", 1, linkage.LoginDone, linkage.PINStep},
		{"認証", at(fixed, login("risk.question")), func(b *browser) pressing { return b.rightAnswer() }, "CheckAnswer", 1, linkage.AnswerDone, linkage.ConsentStep},
		{"認証, wrong", at(fixed, login("risk.question")), wrong, "CheckAnswer", 1, linkage.AnswerDone, linkage.QuestionStep},
		{"次へ", at(chooser, login("ok.pw")), choose, "", 0, linkage.FunctionsChosen, linkage.ConsentStep},
		{"登録", at(fixed, login("pin.none")), pins, "CheckPIN", 3, linkage.PINsStaged, linkage.PINResultStep},
		{"登録, wrong", at(fixed, login("pin.none")), func(b *browser) pressing {
			return b.pins("001-1-1000501", "001-1-1000502", "002-2-1000503")
		}, "CheckPIN", 3, linkage.PINsStaged, linkage.PINStep},
		{"あとで登録して進む", at(fixed, login("pin.mixed")), method(func(b *browser) pressing { return b.svc.PostponePINs }), "", 0, linkage.PINsPostponed, linkage.ConsentStep},
		{"確定", at(fixed, login("pin.none"), pins), method(func(b *browser) pressing { return b.svc.ConfirmPINs }), "", 0, linkage.PINsConfirmed, linkage.ConsentStep},
		{"照会用暗証番号の追加登録", at(fixed, login("pin.none"), pins), method(func(b *browser) pressing { return b.svc.RegisterMorePINs }), "", 0, linkage.PINsReopened, linkage.PINStep},
		{"許可", at(fixed, login("ok.pw")), allow, "", 0, linkage.ConsentGivenName, linkage.HandoverStep},
		{"許可しない", at(fixed, login("ok.pw")), method(func(b *browser) pressing { return b.svc.Refuse }), "", 0, linkage.ConsentRefused, linkage.HandoverStep},
		{"中止 before the login", fixed, method(func(b *browser) pressing { return b.svc.Leave }), "", 0, linkage.JourneyLeft, linkage.HandoverStep},
		{"中止 at the PINs", at(fixed, login("pin.none"), pins), method(func(b *browser) pressing { return b.svc.Leave }), "", 0, linkage.JourneyLeft, linkage.HandoverStep},
		{"別の利用者としてログインする", signed("fixed"), method(func(b *browser) pressing { return b.svc.SwitchUser }), "", 0, linkage.SessionEndedName, linkage.EndedStep},
		{"次へ with a session", signed("chooser"), choose, "", 0, linkage.FunctionsChosen, linkage.ConsentStep},
		{"許可 with a session", signed("fixed"), allow, "", 0, linkage.ConsentGivenName, linkage.HandoverStep},
		{"許可しない with a session", signed("fixed"), method(func(b *browser) pressing { return b.svc.Refuse }), "", 0, linkage.ConsentRefused, linkage.HandoverStep},
		{"中止 with a session", signed("chooser"), method(func(b *browser) pressing { return b.svc.Leave }), "", 0, linkage.JourneyLeft, linkage.HandoverStep},
		{"連携先へ戻る of AL-910", at(fixed, login("ng.locked")), method(func(b *browser) pressing { return b.svc.Leave }), "", 0, linkage.JourneyLeft, linkage.HandoverStep},
	}
}

// journey.md rule 8 and the issue: 32 parallel presses of each button; one wins,
// the bank is asked once, and all see the same result.
func TestOfManyPressesAtOnceOneWinsAndAllSeeTheSame(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		for i, s := range stages() {
			t.Run(s.name, func(t *testing.T) {
				d := d.fresh(t, db, i)
				b := s.to(d)
				before := d.bank.Calls()[s.asks]
				button := s.button(b)
				results := make([]linkage.Result, 32)
				var wg sync.WaitGroup
				for n := range results {
					wg.Add(1)
					go func() {
						defer wg.Done()
						var err error
						if results[n], err = button(t.Context(), b.visit()); err != nil {
							t.Errorf("press %d: %v", n, err)
						}
					}()
				}
				wg.Wait()
				if s.asks != "" && d.bank.Calls()[s.asks]-before != s.often {
					t.Errorf("the bank was asked %d times for %s, not %d", d.bank.Calls()[s.asks]-before, s.asks, s.often)
				}
				if n := d.acts(s.act, string(b.at.Number)); n != 1 {
					t.Errorf("%d acts %s", n, s.act)
				}
				first := results[0]
				if first.Journey.Step != s.leads {
					t.Errorf("it leads to %s (%+v), not to %s", first.Journey.Step, first.Journey.Errors, s.leads)
				}
				for n, r := range results {
					if shownAs(r) != shownAs(first) {
						t.Errorf("press %d sees %s, the first %s", n, shownAs(r), shownAs(first))
					}
				}
				b.take(results[31])
				if j := b.load(); j.Step != s.leads && s.leads != linkage.EndedStep {
					t.Errorf("a reload leads to %s", j.Step)
				}
			})
		}
	})
}

// shownAs is everything of a result that a browser can tell apart; a sealed
// cookie differs in its bytes and not in what it does.
func shownAs(r linkage.Result) string {
	cookie := r.Cookie.Reveal()
	if len(cookie) > 200 {
		cookie = "sealed"
	}
	way := ""
	if h := r.Journey.Handover; h != nil && h.Way != nil {
		way = h.Way.URL
	}
	return fmt.Sprint(r.Journey.Step, r.Journey.Press, r.Journey.Errors, cookie, r.Device.Reveal(), r.Stale, way)
}

// fresh returns a desk with a bank whose counters are new, in the same database
// under another institution's name.
func (d *desk) fresh(t *testing.T, db *store.DB, n int) *desk {
	t.Helper()
	return newDeskIn(t, db.Institution(fmt.Sprintf("demo-%d", n)), t.TempDir()+"/bank.db")
}

// withCertificate opens a journey whose browser presented a user's certificate.
func (d *desk) withCertificate(p string, user corebank.UserID) *browser {
	b := d.open(testPartners[map[string]int{"chooser": 0, "fixed": 1}[p]].ID)
	r, err := b.present(d.certificateOf(user))
	if err != nil {
		d.t.Fatal(err)
	}
	b.take(r)
	return b
}

func (d *desk) certificateOf(user corebank.UserID) linkage.Presented {
	for _, c := range d.bank.Companies {
		for _, m := range c.Members {
			if m.ID == user {
				return linkage.Presented{
					Verdict: linkage.Accepted, Holder: m.Name,
					Certificate: corebank.Certificate{
						Subject: "CN=" + string(m.LoginID), Issuer: "CN=Demo CA", Serial: "123456789",
						NotBefore: d.clock.Now().Add(-time.Hour), NotAfter: d.clock.Now().Add(20 * 24 * time.Hour),
					},
				}
			}
		}
	}
	return linkage.Presented{}
}

func (b *browser) present(p linkage.Presented) (linkage.Result, error) {
	once, err := b.svc.PresentCertificate(b.t.Context(), b.id, b.at.Hop, p)
	if err != nil {
		return linkage.Result{}, err
	}
	return b.svc.TakeCertificate(b.t.Context(), b.visit(), once)
}

func (d *desk) logInCertificate(password string) pressing {
	return func(ctx context.Context, v linkage.Visit) (linkage.Result, error) {
		return d.svc.LogInWithCertificate(ctx, v, linkage.CertificatePress{Password: secret.Of(password)})
	}
}

// Every button, pressed when it must not count: by another browser, from a page
// that is over, after the time is over, and twice; with the act that the audit
// log must hold.
func TestEveryButtonAtTheWrongTime(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		for i, s := range stages() {
			t.Run(s.name, func(t *testing.T) {
				d := d.fresh(t, db, i)
				t.Run("foreign", func(t *testing.T) {
					b, other := s.to(d), d.open("fixed")
					v := b.visit()
					v.Cookie = other.cookie
					calls := d.bank.Calls()[s.asks]
					if _, err := s.button(b)(t.Context(), v); halted(err) != linkage.RequestUnknown {
						t.Errorf("another browser's press: %v", err)
					}
					v.Cookie = secret.Of("jny1_AAAA")
					if _, err := s.button(b)(t.Context(), v); halted(err) != linkage.RequestUnknown {
						t.Errorf("a made-up cookie's press: %v", err)
					}
					if n := d.acts(linkage.PressRefused, `foreign`); n != 2 {
						t.Errorf("%d acts of a foreign press", n)
					}
					if d.bank.Calls()[s.asks] != calls || d.acts(s.act, string(b.at.Number)) != 0 {
						t.Error("a foreign press counted")
					}
				})
				d = d.fresh(t, db, 100+i)
				t.Run("stale", func(t *testing.T) {
					b := s.to(d)
					v := b.visit()
					v.Press = "AAAAAAAAAAAAAAAAAAAAAA"
					calls := d.bank.Calls()[s.asks]
					r, err := s.button(b)(t.Context(), v)
					if err != nil || !r.Stale || r.Journey.Step != b.at.Step {
						t.Errorf("a stale press: %s %v %v", r.Journey.Step, r.Stale, err)
					}
					if n := d.acts(linkage.PressRefused, `"reason":"stale"`); n != 1 {
						t.Errorf("%d acts of a stale press", n)
					}
					if d.bank.Calls()[s.asks] != calls || d.acts(s.act, string(b.at.Number)) != 0 {
						t.Error("a stale press counted")
					}
				})
				t.Run("twice", func(t *testing.T) {
					d := d.fresh(t, db, 200+i)
					b := s.to(d)
					v, button := b.visit(), s.button(b)
					one, err := button(t.Context(), v)
					if err != nil {
						t.Fatal(err)
					}
					d.clock.Advance(time.Second)
					two, err := button(t.Context(), v)
					if err != nil || shownAs(one) != shownAs(two) {
						t.Errorf("the second press sees %s, the first %s (%v)", shownAs(two), shownAs(one), err)
					}
					if n := d.acts(s.act, string(b.at.Number)); n != 1 {
						t.Errorf("%d acts %s", n, s.act)
					}
				})
				t.Run("expired", func(t *testing.T) {
					d := d.fresh(t, db, 300+i)
					b := s.to(d)
					button, leaving := s.button(b), s.act == linkage.JourneyLeft
					if b.at.Step == linkage.EndedStep {
						t.Skip("a page that says why it ended has no time")
					}
					d.clock.Advance(16 * time.Minute)
					if j := b.load(); j.Ended == nil || j.Ended.Code != linkage.TimeOver || !j.Ended.CanLeave {
						t.Fatalf("after the time %+v is shown", j.Ended)
					}
					calls := d.bank.Calls()[s.asks]
					r, err := button(t.Context(), b.visit())
					if err != nil {
						t.Fatal(err)
					}
					if leaving {
						if r.Journey.Handover == nil || r.Journey.Handover.Reason != linkage.TimedOut || d.acts(linkage.JourneyTimedOut, "timed_out") != 1 {
							t.Errorf("leaving late: %+v", r.Journey.Handover)
						}
						return
					}
					if r.Journey.Ended == nil || r.Journey.Ended.Code != linkage.TimeOver {
						t.Errorf("a late press leads to %s", r.Journey.Step)
					}
					if d.acts(linkage.PressRefused, `"reason":"expired"`) != 1 || d.bank.Calls()[s.asks] != calls {
						t.Error("a late press was counted, or not recorded")
					}
					b.load()
					b.press(d.svc.Leave)
					if b.at.Handover == nil || b.at.Handover.Reason != linkage.TimedOut {
						t.Errorf("leaving late: %+v", b.at.Handover)
					}
				})
			})
		}
	})
}

// The cookie from before a press is good for that very press and nothing else.
func TestTheCookieBeforeIsOnlyForRepeatingThePress(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		b := d.open("fixed")
		prelude := b.visit()
		b.press(d.logIn("pin.none"))
		before := *b
		b.press(b.pins())
		b.stands(linkage.PINResultStep)
		before.at.Press = b.at.Press
		if r, err := d.svc.ConfirmPINs(t.Context(), before.visit()); err != nil || !r.Stale {
			t.Errorf("another press with the old cookie: %v %v", r.Stale, err)
		}
		j, err := d.svc.Load(t.Context(), before.visit())
		if err != nil || j.Step != linkage.RepeatStep || j.Repeat.Button != linkage.Register {
			t.Fatalf("a reload with the old cookie shows %s, %v", j.Step, err)
		}
		before.at.Press = j.Press
		r, err := d.svc.RegisterPINs(t.Context(), before.visit(), linkage.PINPress{})
		if err != nil || r.Journey.Step != linkage.PINResultStep || !r.Cookie.Equal(b.cookie) {
			t.Errorf("repeating it leads to %s, %v", r.Journey.Step, err)
		}
		b.press(d.svc.ConfirmPINs)
		if _, err := d.svc.Load(t.Context(), before.visit()); halted(err) != linkage.RequestUnknown {
			t.Errorf("two presses later the cookie still opens: %v", err)
		}
		if _, err := d.logInWith("ok.pw", "other")(t.Context(), prelude); halted(err) != linkage.RequestUnknown {
			t.Errorf("the cookie from before the login takes other secrets: %v", err)
		}
	})
}

func TestTwoBrowsersOfOneRequestHaveAJourneyEachAndTheFirstSpendsIt(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		same := func(a *linkage.Asked) { a.Handle = "one request" }
		first, second := d.open("fixed", same), d.open("fixed", same)
		first.press(d.logIn("ok.pw"))
		second.press(d.logIn("ok.pw"))
		first.press(first.allow())
		first.stands(linkage.HandoverStep)
		second.press(second.allow())
		second.stands(linkage.EndedStep)
		if second.at.Ended.Code != linkage.RequestUnknown || second.at.CanLeave {
			t.Errorf("the second sees %+v", second.at.Ended)
		}
		if all, _ := d.in.ConsentsTo(t.Context(), "usr_ok.pw", "fixed"); len(all) != 1 {
			t.Errorf("%d consents are recorded", len(all))
		}
		if d.acts(linkage.JourneyHalted, "request_spent") != 1 {
			t.Error("it is not in the log")
		}
	})
}

// cut is a bank at which the server dies: the call never comes back.
type cut struct {
	corebank.Connector
	dead bool
}

var errDied = errors.New("the server died")

func (c *cut) CheckAnswer(ctx context.Context, u corebank.UserID, q corebank.QuestionID, a secret.Value) error {
	if c.dead {
		panic(errDied)
	}
	return c.Connector.CheckAnswer(ctx, u, q, a)
}

func (c *cut) CheckPassword(ctx context.Context, id corebank.LoginID, p secret.Value) (corebank.User, error) {
	if c.dead {
		panic(errDied)
	}
	return c.Connector.CheckPassword(ctx, id, p)
}

func dies(t *testing.T, p pressing, v linkage.Visit) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Error("the server lives")
		}
	}()
	p(t.Context(), v)
}

func TestAServerThatDiesBetweenClaimAndCommitLeavesTheTryCounted(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		bank := &cut{Connector: d.bank}
		d.svc.Bank = bank
		b := d.open("fixed")
		bank.dead = true
		dies(t, d.logIn("risk.question"), b.visit())
		bank.dead = false
		d.clock.Advance(31 * time.Second)
		b.press(d.logIn("risk.question"))
		b.stands(linkage.QuestionStep)

		bank.dead = true
		dies(t, d.answer("そば"), b.visit())
		bank.dead = false
		if j := b.load(); j.Step != linkage.QuestionStep {
			t.Fatalf("the journey stands at %s", j.Step)
		}
		d.clock.Advance(31 * time.Second)
		b.press(d.answer("そば"))
		if e := b.fault(linkage.AnswerField, linkage.WrongAnswer); e.Left != 1 {
			t.Errorf("%d tries are left, though two were taken", e.Left)
		}
	})
}
