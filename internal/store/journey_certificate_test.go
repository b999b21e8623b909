package store_test

import (
	"testing"
	"time"

	"renkei.dev/internal/linkage"
	"renkei.dev/internal/store"
)

func TestACertificateIsTakenOnlyByTheBrowserThatHoldsTheJourney(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		b, other := d.open("fixed"), d.open("fixed")
		once, err := d.svc.PresentCertificate(t.Context(), b.id, b.at.Hop, d.certificateOf("usr_ok.cert"))
		if err != nil {
			t.Fatal(err)
		}
		if r, err := d.svc.TakeCertificate(t.Context(), other.visit(), once); err != nil || !r.Stale || r.Journey.Step != linkage.LoginStep {
			t.Errorf("another journey takes it: %s %v %v", r.Journey.Step, r.Stale, err)
		}
		v := other.visit()
		v.Journey = b.id
		if _, err := d.svc.TakeCertificate(t.Context(), v, once); halted(err) != linkage.RequestUnknown {
			t.Errorf("another browser takes it: %v", err)
		}
		old := *b
		take := func(b *browser) linkage.Result {
			r, err := d.svc.TakeCertificate(t.Context(), b.visit(), once)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		b.take(take(b))
		b.stands(linkage.CertificateStep)
		if f := b.at.Certificate.Certificate; f.Holder != "電子 太郎" || f.SerialEnd != "6789" || !f.RenewSoon {
			t.Errorf("the page says %+v", f)
		}
		if r := take(&old); r.Journey.Step != linkage.CertificateStep {
			t.Errorf("a reload of the way there shows %s", r.Journey.Step)
		}
		late, _ := d.svc.PresentCertificate(t.Context(), b.id, b.at.Hop, d.certificateOf("usr_risk.cert"))
		d.clock.Advance(61 * time.Second)
		if r, _ := d.svc.TakeCertificate(t.Context(), b.visit(), late); !r.Stale {
			t.Error("a secret older than a minute is taken")
		}
		b.press(d.logInCertificate("demo-risk-cert-2468"))
		if e := b.fault(linkage.PasswordField, linkage.WrongPassword); e.Left != 4 {
			t.Errorf("another user's password: %+v", e)
		}
		b.press(d.logInCertificate("demo-ok-cert-2468"))
		b.stands(linkage.PINStep)
		if b.at.User != "電子 太郎" {
			t.Errorf("logged in is %s", b.at.User)
		}
		b.press(b.pins())
		b.press(d.svc.ConfirmPINs)
		b.press(b.allow())
		if a := d.paper.approved[0]; a.ACR != "certificate_password" {
			t.Errorf("the protocol is told %+v", a)
		}
	})
}

// security.md S07, S14: what somebody else presented, who knows a journey's
// address, does not come into it; nor does a page that another journey's link led to.
func TestACertificateOfSomebodyElseIsNotPutIntoAJourney(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		b, thief := d.open("fixed"), d.open("fixed")
		for name, hop := range map[string]string{"none": "", "made up": "AAAAAAAAAAAAAAAAAAAAAA", "of another journey": thief.at.Hop} {
			once, err := d.svc.PresentCertificate(t.Context(), b.id, hop, d.certificateOf("usr_risk.cert"))
			if err != nil {
				t.Fatal(err)
			}
			r, err := d.svc.TakeCertificate(t.Context(), b.visit(), once)
			if err != nil || !r.Stale || r.Journey.Step != linkage.LoginStep {
				t.Errorf("with a link %s it is taken: %s, %v", name, r.Journey.Step, err)
			}
		}
		if n := d.acts(linkage.CertificateShown, ""); n != 0 {
			t.Errorf("%d certificates came into the journey", n)
		}
		if n := d.acts(linkage.PressRefused, `"reason":"stale"`); n != 3 {
			t.Errorf("%d refusals are in the log", n)
		}
		r, err := b.present(d.certificateOf("usr_ok.cert"))
		if err != nil || r.Journey.Step != linkage.CertificateStep {
			t.Fatalf("the customer's own leads to %s, %v", r.Journey.Step, err)
		}
		b.take(r)
		b.press(d.logInCertificate("demo-ok-pw-2468")) // the password of another user, who exists
		b.fault(linkage.PasswordField, linkage.WrongPassword)
		b.press(d.logInWith("ok.pw", "demo-ok-pw-2468")) // the other door with another user's secrets
		b.stands(linkage.CertificateStep)
	})
}

func TestACertificateThatIsNotAcceptedSaysWhichAndWhatToDo(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		cases := map[linkage.CertificateVerdict]linkage.Code{
			linkage.NonePresented: linkage.CertificateMissing, linkage.ExpiredCert: linkage.CertificateNotNow,
			linkage.NotYetValid: linkage.CertificateNotNow, linkage.RevokedCert: linkage.CertificateRevoked,
			linkage.ForeignCert: linkage.CertificateForeign, linkage.WrongUsage: linkage.CertificateUnusable,
			linkage.CannotBeJudged: linkage.TryLater,
		}
		for verdict, code := range cases {
			b := d.open("fixed")
			p := d.certificateOf("usr_ok.cert")
			p.Verdict = verdict
			r, err := b.present(p)
			if err != nil {
				t.Fatal(err)
			}
			b.take(r)
			if b.at, err = d.svc.LoadCause(t.Context(), b.visit()); err != nil || b.at.Login == nil {
				t.Fatalf("%s: the page of its own is %+v, %v", verdict, b.at, err)
			}
			if e := b.at.Ended; e == nil || e.Code != code || !e.CanRetry || !e.CanLeave || b.at.Login.CertificateHost != 2 {
				t.Errorf("%s: %+v", verdict, e)
			}
			if d.acts(linkage.CertificateShown, `"reason":"`+string(verdict)) != 1 {
				t.Errorf("%s is not in the log", verdict)
			}
			b.load()
			b.stands(linkage.LoginStep)
		}
		b := d.open("fixed")
		p := d.certificateOf("usr_ok.cert")
		p.Certificate.Subject = "CN=nobody"
		r, err := b.present(p)
		if err != nil || r.Journey.Ended == nil || r.Journey.Ended.Code != linkage.CertificateUnusable || !r.Journey.Ended.NoUser {
			t.Errorf("nobody's certificate: %+v, %v", r.Journey.Ended, err)
		}
	})
}
