package bench

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// browser is a customer's: it keeps cookies, and with them the login, from one
// flow to the next.
type browser struct {
	user    User
	cookies []*http.Cookie
	address []*url.URL // beside cookies: whose each is
}

// maxPages bounds one way through the pages.
const maxPages = 20

// allow follows an authorization request, answers every page as a customer who
// wants the linkage, and returns the address at the partner to which it leads.
func (b *browser) allow(ctx context.Context, p *partner, address string) (*url.URL, error) {
	at, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	method, body := http.MethodGet, []byte(nil)
	for range maxPages {
		a, err := p.send(ctx, method, at.String(), b.headers(method, at), body)
		if err != nil {
			return nil, err
		}
		b.keep(at, a.header)
		if a.status >= 300 && a.status < 400 {
			if at, err = at.Parse(a.header.Get("Location")); err != nil {
				return nil, err
			}
			if strings.HasPrefix(at.String(), p.redirect) {
				return at, nil
			}
			method, body = http.MethodGet, nil
			continue
		}
		page := string(a.body)
		if a.status != http.StatusOK {
			return nil, a.wrong("a page")
		}
		if m := onward.FindStringSubmatch(page); m != nil && strings.HasPrefix(html.UnescapeString(m[1]), p.redirect) {
			return url.Parse(html.UnescapeString(m[1]))
		}
		action, form, ok := b.answer(page)
		if !ok {
			return nil, fmt.Errorf("the page %q at %s asks for nothing that a customer could answer", titleOf(page), at.Path)
		}
		if at, err = at.Parse(action); err != nil {
			return nil, err
		}
		method, body = http.MethodPost, []byte(form.Encode())
	}
	return nil, fmt.Errorf("no way through the pages, still at %s", at.Path)
}

// headers are what a browser sends of itself.
func (b *browser) headers(method string, at *url.URL) http.Header {
	h := http.Header{"Accept": {"text/html"}, "Accept-Language": {"ja"}}
	if method == http.MethodPost {
		h.Set("Content-Type", "application/x-www-form-urlencoded")
		h.Set("Origin", at.Scheme+"://"+at.Host)
		h.Set("Sec-Fetch-Site", "same-origin")
	}
	var all []string
	for i, c := range b.cookies {
		if b.address[i].Host == at.Host && strings.HasPrefix(at.Path, c.Path) {
			all = append(all, c.Name+"="+c.Value)
		}
	}
	if len(all) > 0 {
		h.Set("Cookie", strings.Join(all, "; "))
	}
	return h
}

func (b *browser) keep(at *url.URL, header http.Header) {
	for _, c := range (&http.Response{Header: header}).Cookies() {
		if c.Path == "" {
			c.Path = "/"
		}
		for i, old := range b.cookies {
			if old.Name == c.Name && old.Path == c.Path && b.address[i].Host == at.Host {
				b.cookies, b.address = append(b.cookies[:i], b.cookies[i+1:]...), append(b.address[:i], b.address[i+1:]...)
				break
			}
		}
		if c.MaxAge >= 0 && c.Value != "" {
			b.cookies, b.address = append(b.cookies, c), append(b.address, at)
		}
	}
}

var (
	titleTag  = regexp.MustCompile(`(?s)<title>(.*?)</title>`)
	onward    = regexp.MustCompile(`http-equiv="refresh" content="0; url=([^"]*)"`)
	formTag   = regexp.MustCompile(`(?s)<form\b([^>]*)>(.*?)</form>`)
	inputTag  = regexp.MustCompile(`(?s)<input\b([^>]*)>`)
	attribute = regexp.MustCompile(`\b(action|name|value|type|checked)(?:="([^"]*)")?`)
)

func titleOf(page string) string {
	if m := titleTag.FindStringSubmatch(page); m != nil {
		return html.UnescapeString(m[1])
	}
	return ""
}

// answer fills in the form whose button is the page's main one: what stands in it
// already, the login, and that the linkage is wanted.
func (b *browser) answer(page string) (action string, form url.Values, ok bool) {
	for _, m := range formTag.FindAllStringSubmatch(page, -1) {
		if !strings.Contains(m[2], `<button class="main"`) {
			continue
		}
		form = url.Values{}
		for _, in := range inputTag.FindAllStringSubmatch(m[2], -1) {
			a := attributes(in[1])
			name, value := a["name"], a["value"]
			_, ticked := a["checked"]
			switch {
			case name == "":
			case name == "login_id":
				form.Set(name, b.user.LoginID)
			case a["type"] == "password":
				form.Set(name, b.user.Password)
			case name == "intent":
				form.Set(name, "proceed")
			case name == "renews": // of what is linked already, the first is renewed
				if !form.Has(name) {
					form.Set(name, value)
				}
			case (a["type"] == "checkbox" || a["type"] == "radio") && !ticked:
			default:
				form.Add(name, value)
			}
		}
		return attributes(m[1])["action"], form, true
	}
	return "", nil, false
}

func attributes(tag string) map[string]string {
	all := map[string]string{}
	for _, m := range attribute.FindAllStringSubmatch(tag, -1) {
		all[m[1]] = html.UnescapeString(m[2])
	}
	return all
}
