package attack

import (
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"crypto/tls"
)

// browser is a customer's browser without scripts: cookies, redirects within the
// bank, forms.
type browser struct {
	lab         *lab
	jar         *cookiejar.Jar
	certificate *tls.Certificate // shown to hosts that ask for one
	header      http.Header      // sent with every request
}

// deviceCookie is by what the bank knows a browser again; keeping it over all
// browsers of a run spares the customer the suspicion that new devices earn.
const deviceCookie = "__Host-device"

func (l *lab) browse() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // it has no options that could be wrong
	}
	b := &browser{lab: l, jar: jar}
	if issuer, err := url.Parse(l.target.Issuer); err == nil && l.device != "" {
		jar.SetCookies(issuer, []*http.Cookie{{Name: deviceCookie, Value: l.device, Path: "/", Secure: true}})
	}
	return b
}

// page is what the browser shows, or the address of somebody else to which the
// bank sent it.
type page struct {
	at     *url.URL
	status int
	header http.Header
	body   string
	left   *url.URL // outside the bank; nil: still inside
	answer answer
}

// visit opens an address and follows redirects as long as they stay with the bank.
func (b *browser) visit(address string) (page, error) { return b.travel(http.MethodGet, address, "") }

func (b *browser) travel(method, address, body string) (page, error) {
	for range 10 {
		at, err := url.Parse(address)
		if err != nil {
			return page{}, err
		}
		a := b.send(method, at, body)
		if a.err != nil {
			return page{}, a.err
		}
		p := page{at: at, status: a.status, header: a.header, body: string(a.body), answer: a}
		if a.status < 300 || a.status > 399 || a.location() == "" {
			if way := p.wayBack(); way != nil && !b.inside(way) {
				p.left = way
			}
			return p, nil
		}
		next, err := at.Parse(a.location())
		if err != nil {
			return page{}, err
		}
		if !b.inside(next) {
			p.left = next
			return p, nil
		}
		if a.status == http.StatusTemporaryRedirect || a.status == http.StatusPermanentRedirect {
			address = next.String() // with the same form once more
			continue
		}
		method, address, body = http.MethodGet, next.String(), ""
	}
	return page{}, errors.New("the bank redirects in circles")
}

// send sends one request of the browser, with its cookies.
func (b *browser) send(method string, at *url.URL, body string) answer {
	header := http.Header{"Accept": {"text/html"}, "Accept-Language": {"ja"}}
	for name, values := range b.header {
		header[name] = values
	}
	if body != "" {
		header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, c := range b.jar.Cookies(at) {
		header.Add("Cookie", c.Name+"="+c.Value)
	}
	if c := header["Cookie"]; len(c) > 1 {
		header.Set("Cookie", strings.Join(c, "; "))
	}
	a := b.lab.send(request{method: method, url: at.String(), header: header, body: body, certificate: b.certificate})
	if a.err == nil {
		cookies := (&http.Response{Header: a.header}).Cookies()
		b.jar.SetCookies(at, cookies)
		for _, c := range cookies {
			if c.Name == deviceCookie {
				b.lab.device = c.Value
			}
		}
	}
	return a
}

// inside tells whether an address is the bank's: the issuer's host or one below
// it, which is where it asks for certificates.
func (b *browser) inside(u *url.URL) bool {
	issuer, err := url.Parse(b.lab.target.Issuer)
	if err != nil {
		return false
	}
	if u.Host == issuer.Host {
		return true
	}
	return strings.HasPrefix(u.Hostname(), "cert") && u.Path != "" && strings.HasPrefix(u.Path, "/link/")
}

var (
	forms   = regexp.MustCompile(`(?s)<form[^>]*>.*?</form>`)
	inputs  = regexp.MustCompile(`(?s)<input[^>]*>`)
	buttons = regexp.MustCompile(`(?s)<button[^>]*>`)
	refresh = regexp.MustCompile(`<meta http-equiv="refresh" content="0; url=([^"]*)">`)
	heading = regexp.MustCompile(`(?s)<h1[^>]*>(.*?)</h1>`)
	tags    = regexp.MustCompile(`<[^>]*>`)
	links   = regexp.MustCompile(`<a [^>]*>`)

	rows      = regexp.MustCompile(`(?s)<tr role="row".*?</tr>`)
	pinFields = regexp.MustCompile(`name="([^"]*)" type="password"`)
)

func attribute(tag, name string) string {
	found := regexp.MustCompile(`\s` + name + `="([^"]*)"`).FindStringSubmatch(tag)
	if found == nil {
		return ""
	}
	return html.UnescapeString(found[1])
}

func (p page) heading() string {
	found := heading.FindStringSubmatch(p.body)
	if found == nil {
		return ""
	}
	return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(found[1], " "))), " ")
}

// wayBack is where the page sends the browser by itself.
func (p page) wayBack() *url.URL {
	found := refresh.FindStringSubmatch(p.body)
	if found == nil {
		return nil
	}
	to, err := p.at.Parse(html.UnescapeString(html.UnescapeString(found[1])))
	if err != nil {
		return nil
	}
	return to
}

// form finds the form that is posted to an address which ends in the word.
func (p page) form(word string) string {
	for _, f := range forms.FindAllString(p.body, -1) {
		if action := attribute(f[:strings.IndexByte(f, '>')+1], "action"); path.Base(action) == word {
			return f
		}
	}
	return ""
}

// asks tells whether the page is the one on which consent is given; the form that
// only repeats a press whose answer was lost goes to the same address.
func (p page) asks() bool { return len(choices(p.form("consent"), "accounts")) > 0 }

// filled is a form as it stands, with fields typed over it.
func filled(form string, typed ...string) url.Values {
	v := url.Values{}
	for _, input := range inputs.FindAllString(form, -1) {
		name, value := attribute(input, "name"), attribute(input, "value")
		switch attribute(input, "type") {
		case "checkbox", "radio":
			if strings.Contains(input, " checked") {
				v.Add(name, value)
			}
		default:
			v.Add(name, value)
		}
	}
	for i := 0; i+1 < len(typed); i += 2 {
		v.Set(typed[i], typed[i+1])
	}
	return v
}

// choices are all values that a field of the form offers.
func choices(form, name string) []string {
	var out []string
	for _, input := range inputs.FindAllString(form, -1) {
		if attribute(input, "name") == name {
			out = append(out, attribute(input, "value"))
		}
	}
	return out
}

// post sends a form, or what else would be sent to its address.
func (b *browser) post(p page, form string, v url.Values) (page, error) {
	to, err := p.at.Parse(attribute(form[:strings.IndexByte(form, '>')+1], "action"))
	if err != nil {
		return page{}, err
	}
	return b.travel(http.MethodPost, to.String(), v.Encode())
}

// link goes through the whole journey as the user, allows all that is asked, and
// returns the way back to the client.
func (b *browser) link(address string, u User) (*url.URL, error) {
	p, err := b.visit(address)
	for range 12 {
		if err != nil {
			return nil, err
		}
		if p.left != nil {
			return p.left, nil
		}
		if p, err = b.step(p, u); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("the journey does not end")
}

// until goes through the journey as far as the page with the form named by word.
func (b *browser) until(address, word string, u User) (page, error) {
	p, err := b.visit(address)
	for range 12 {
		switch {
		case err != nil:
			return page{}, err
		case p.left != nil:
			return page{}, fmt.Errorf("it ended before: %s", p.left)
		case p.form(word) != "":
			return p, nil
		}
		p, err = b.step(p, u)
	}
	return page{}, errors.New("the journey does not get there")
}

// step does what a customer would on the page.
func (b *browser) step(p page, u User) (page, error) {
	if f := p.form("login"); f != "" {
		return b.post(p, f, filled(f, "login_id", u.LoginID, "password", u.Password))
	}
	if f := p.form("question"); f != "" {
		return b.post(p, f, filled(f, "answer", u.Answer))
	}
	if f := p.form("business"); f != "" {
		v := filled(f)
		if len(v["functions"]) == 0 {
			v["functions"] = choices(f, "functions")
		}
		return b.post(p, f, v)
	}
	if f := p.form("pin"); f != "" {
		return b.typePINs(p, f, u)
	}
	if f := p.form("pin-result"); f != "" {
		return b.post(p, f, filled(f))
	}
	if f := p.form("consent"); f != "" {
		v := filled(f, "intent", "proceed")
		if len(v["accounts"]) == 0 {
			v["accounts"] = choices(f, "accounts")
		}
		if slices.Contains(choices(f, "renews"), "add") {
			v.Set("renews", "add")
		}
		return b.post(p, f, v)
	}
	return page{}, fmt.Errorf("%d %q at %s leads no further", p.status, p.heading(), p.at.Path)
}

// typePINs registers the inquiry PINs of the accounts that stand chosen, or puts
// them off where they are not known.
func (b *browser) typePINs(p page, form string, u User) (page, error) {
	v, typed := filled(form), 0
	for _, row := range rows.FindAllString(form, -1) {
		for number, pin := range u.PINs {
			if field := pinFields.FindStringSubmatch(row); field != nil && strings.Contains(row, number) && strings.Contains(row, " checked") {
				v.Set(field[1], pin)
				typed++
			}
		}
	}
	if typed > 0 {
		return b.post(p, form, v)
	}
	for _, button := range buttons.FindAllString(form, -1) {
		if to := attribute(button, "formaction"); to != "" {
			at, err := p.at.Parse(to)
			if err != nil {
				return page{}, err
			}
			return b.travel(http.MethodPost, at.String(), v.Encode())
		}
	}
	return page{}, errors.New("the bank asks for inquiry PINs that the target's file does not have")
}
