package demo_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// browser is as much of one as forms and redirects need: cookies, no scripts,
// and the demo's authority trusted, as `renkei demo trust` makes it.
type browser struct {
	t      *testing.T
	client *http.Client
}

// openBrowser opens a browser of its own. holder names the user whose client
// certificate it holds; empty: none.
func (d *running) openBrowser(t *testing.T, holder string) *browser {
	t.Helper()
	ca, err := os.ReadFile(filepath.Join(d.folder, d.manifest.CA))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatal("the demo's authority cannot be read")
	}
	settings := &tls.Config{RootCAs: roots}
	if holder != "" {
		pem := filepath.Join(d.folder, "certificates", holder+".pem")
		pair, err := tls.LoadX509KeyPair(pem, pem)
		if err != nil {
			t.Fatal(err)
		}
		settings.Certificates = []tls.Certificate{pair}
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, &http.Client{Jar: jar, Transport: &http.Transport{
		TLSClientConfig: settings, ForceAttemptHTTP2: true,
		// Browsers know by themselves that *.localhost is this machine; Go does not.
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			var d net.Dialer
			return d.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		},
	}}}
}

// page is what the browser shows.
type page struct {
	b      *browser
	at     *url.URL
	status int
	body   string
}

func (b *browser) open(address string) page {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(r)
}

func (b *browser) do(r *http.Request) page {
	b.t.Helper()
	answer, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return page{b, answer.Request.URL, answer.StatusCode, string(body)}
}

var (
	heading = regexp.MustCompile(`(?s)<h1[^>]*>(.*?)</h1>`)
	tags    = regexp.MustCompile(`<[^>]*>`)
	forms   = regexp.MustCompile(`(?s)<form[^>]*>.*?</form>`)
	inputs  = regexp.MustCompile(`(?s)<input[^>]*>`)
	buttons = regexp.MustCompile(`(?s)(<button[^>]*>)(.*?)</button>`)
	links   = regexp.MustCompile(`(?s)(<a [^>]*>)(.*?)</a>`)
	refresh = regexp.MustCompile(`<meta http-equiv="refresh" content="0; url=([^"]*)">`)
)

// attribute returns the value of a tag's attribute; empty: it has none.
func attribute(tag, name string) string {
	found := regexp.MustCompile(`\s` + name + `="([^"]*)"`).FindStringSubmatch(tag)
	if found == nil {
		return ""
	}
	return html.UnescapeString(found[1])
}

func plain(text string) string {
	return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(text, " "))), " ")
}

func (p page) heading() string {
	found := heading.FindStringSubmatch(p.body)
	if found == nil {
		return ""
	}
	return plain(found[1])
}

// shows fails unless the page says all of the texts.
func (p page) shows(texts ...string) page {
	p.b.t.Helper()
	said := plain(p.body)
	for _, text := range texts {
		if !strings.Contains(said, text) {
			p.b.t.Fatalf("%s %d %q does not say %q:\n%s", p.at, p.status, p.heading(), text, said)
		}
	}
	return p
}

// follow clicks the link with a text.
func (p page) follow(text string) page {
	p.b.t.Helper()
	for _, found := range links.FindAllStringSubmatch(p.body, -1) {
		if strings.Contains(plain(found[2]), text) {
			return p.b.open(p.to(attribute(found[1], "href")))
		}
	}
	p.b.t.Fatalf("%s %q has no link %q:\n%s", p.at, p.heading(), text, plain(p.body))
	return page{}
}

// refreshed goes where the page sends the browser by itself.
func (p page) refreshed() page {
	p.b.t.Helper()
	found := refresh.FindStringSubmatch(p.body)
	if found == nil {
		p.b.t.Fatalf("%s %q leads nowhere:\n%s", p.at, p.heading(), plain(p.body))
	}
	return p.b.open(p.to(html.UnescapeString(found[1])))
}

func (p page) to(address string) string {
	to, err := p.at.Parse(address)
	if err != nil {
		p.b.t.Fatal(err)
	}
	return to.String()
}

// press sends the form with the button of a text, with what stands in the form
// and fields typed over it, as pairs of name and value.
func (p page) press(button string, typed ...string) page {
	p.b.t.Helper()
	for _, form := range forms.FindAllString(p.body, -1) {
		for _, found := range buttons.FindAllStringSubmatch(form, -1) {
			if plain(found[2]) == button {
				return p.send(form, found[1], typed)
			}
		}
	}
	p.b.t.Fatalf("%s %d %q has no button %q:\n%s", p.at, p.status, p.heading(), button, plain(p.body))
	return page{}
}

func (p page) send(form, button string, typed []string) page {
	values := url.Values{}
	for _, input := range inputs.FindAllString(form, -1) {
		name, value := attribute(input, "name"), attribute(input, "value")
		switch attribute(input, "type") {
		case "checkbox", "radio":
			if strings.Contains(input, " checked") {
				values.Add(name, value)
			}
		default:
			values.Add(name, value)
		}
	}
	if name := attribute(button, "name"); name != "" {
		values.Set(name, attribute(button, "value"))
	}
	for i := 0; i+1 < len(typed); i += 2 {
		values.Set(typed[i], typed[i+1])
	}
	action := attribute(form[:strings.Index(form, ">")+1], "action")
	if other := attribute(button, "formaction"); other != "" {
		action = other
	}
	r, err := http.NewRequestWithContext(p.b.t.Context(), http.MethodPost, p.to(action), strings.NewReader(values.Encode()))
	if err != nil {
		p.b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", p.at.Scheme+"://"+p.at.Host)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return p.b.do(r)
}
