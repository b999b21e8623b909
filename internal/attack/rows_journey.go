package attack

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// journeyAttacks are those where protocol and journey meet.
func journeyAttacks() []Attack {
	return []Attack{
		{Row: "P38", Name: "a journey of two people", Precedent: "tinyauth CVE-2026-32246, CVE-2026-33544",
			Expect: "one journey, one user, one code", run: twoPeople},
	}
}

func twoPeople(t *trial) {
	s := t.keyed(0)
	one, two := t.user(0), t.user(1)
	form, verifier := s.asks()
	uri := s.push(form).text("request_uri")
	if uri == "" {
		t.cannot("an honest request could not be pushed")
	}
	first, second := t.browse(), t.browse()
	p1, err := first.until(s.open(uri), "consent", one)
	if err != nil {
		t.cannot("the first user could not link: %s", err)
	}
	// The address of the first one's journey, in another browser.
	p, err := second.visit(p1.at.String())
	t.judge("the address of another's journey", err == nil && !p.asks() && !strings.Contains(p.body, one.LoginID), "%d %q", p.status, p.heading())
	if f := p1.form("consent"); f != "" {
		p, err = second.post(p1, f, filled(f, "intent", "proceed"))
		t.judge("another's consent pressed", err == nil && p.left == nil && p.status >= 400, "%d %q left to %v", p.status, p.heading(), p.left)
	}
	// The same request opened by the second one begins a journey of its own.
	p2, err := second.until(s.open(uri), "consent", two)
	if err != nil {
		t.cannot("the second user could not link: %s", err)
	}
	t.judge("the same link in another browser", p2.at.Path != p1.at.Path, "both are at %s", p1.at.Path)

	// Cookies and press tokens of one in the journey of the other.
	mine, theirs := cookieOf(first, p1), cookieOf(second, p2)
	if mine == nil || theirs == nil {
		t.cannot("a journey has no cookie")
	}
	a := t.send(request{url: p1.at.String(), header: headers("Cookie", mine.Name+"="+theirs.Value)})
	t.judge("the second one's cookie under the first one's name", !(page{body: string(a.body)}).asks(), "%s", a)
	a = t.send(request{url: p1.at.String(), header: headers("Cookie", theirs.Name+"="+theirs.Value)})
	t.judge("the second one's cookie at the first one's journey", !(page{body: string(a.body)}).asks(), "%s", a)
	press := filled(p2.form("consent")).Get("press")
	f1 := p1.form("consent")
	p, err = first.post(p1, f1, filled(f1, "intent", "proceed", "press", press))
	t.judge("the second one's press in the first one's form", err == nil && p.left == nil, "%d %q left to %v", p.status, p.heading(), p.left)

	// Both allow, at once: one code, for the account of whoever won.
	both := []struct {
		b      *browser
		u      User
		p      page
		cookie *http.Cookie
		way    *url.URL
	}{{b: first, u: one, p: p1}, {b: second, u: two, p: p2}}
	var all sync.WaitGroup
	for n := range both {
		one := &both[n]
		one.cookie = cookieOf(one.b, one.p)
		all.Go(func() { one.way, _ = one.b.link(one.p.at.String(), one.u) })
	}
	all.Wait()
	won := 0
	for _, one := range both {
		if one.way == nil || one.way.Query().Get("code") == "" {
			way, err := one.b.link(one.p.at.String(), one.u)
			t.judge("the other allows once more", way == nil && err != nil, "%v", way)
			continue
		}
		won++
		g := &grant{form: form, verifier: verifier, code: one.way.Query().Get("code")}
		t.works("the one code", s.redeem(g))
		a := t.send(request{url: one.p.at.String(), header: headers("Cookie", one.cookie.Name+"="+one.cookie.Value)})
		t.judge("the cookie of the page before", !(page{body: string(a.body)}).asks(), "%s", a)
	}
	t.judge("both allow at once", won == 1, "%d codes", won)
	// A journey that is over gives nothing more.
	for _, one := range both {
		p, err := one.b.visit(s.open(uri))
		t.judge("the link afterwards", err == nil && p.left == nil && p.status >= 400, "%d %q left to %v", p.status, p.heading(), p.left)
	}
	fixation(t, s, one)
}

// fixation: a cookie that an attacker planted before the login is worth nothing
// after it.
func fixation(t *trial, s *software, u User) {
	form, _ := s.asks()
	b := t.browse()
	p, err := b.visit(s.open(s.push(form).text("request_uri")))
	if err != nil || p.form("login") == "" {
		t.cannot("the first page did not open: %v", err)
	}
	planted := cookieOf(b, p)
	if planted == nil {
		t.cannot("a journey has no cookie")
	}
	after, err := b.step(p, u)
	if err != nil {
		t.cannot("an honest customer could not log in: %s", err)
	}
	a := t.send(request{url: after.at.String(), header: headers("Cookie", planted.Name+"="+planted.Value)})
	shown := page{body: string(a.body)}
	t.judge("the cookie from before the login, after it", !shown.asks() && shown.form("business") == "" && !strings.Contains(shown.body, u.LoginID), "%s", a)
	thief := t.browse()
	thief.jar.SetCookies(p.at, []*http.Cookie{{Name: planted.Name, Value: planted.Value, Path: "/", Secure: true}})
	for _, password := range []string{"", "x", u.LoginID} {
		f := p.form("login")
		q, err := thief.post(p, f, filled(f, "login_id", u.LoginID, "password", password))
		t.judge("the login repeated with it, without the password", err == nil && q.form("business") == "" && !q.asks() && q.form("pin") == "", "%d %q %v", q.status, q.heading(), err)
	}
	changed := cookieOf(b, after)
	t.judge("the login gives a new cookie", changed != nil && changed.Value != planted.Value, "it is the same")
}

// cookieOf is the browser's cookie of the journey that a page belongs to.
func cookieOf(b *browser, p page) *http.Cookie {
	for _, c := range b.jar.Cookies(p.at) {
		if id := strings.TrimPrefix(c.Name, "__Host-"); id != "device" && strings.Contains(p.at.Path, id) {
			return c
		}
	}
	return nil
}

// day is today in Japan, and some days before.
func day(before string) string {
	var days int
	for _, c := range strings.TrimPrefix(before, "-") {
		days = days*10 + int(c-'0')
	}
	return time.Now().In(time.FixedZone("JST", 9*60*60)).AddDate(0, 0, -days).Format(time.DateOnly)
}
