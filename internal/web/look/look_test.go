package look

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"renkei.dev/internal/i18n"
)

// plainBrand is the plain brand's file with something else in it.
func plainBrand(t *testing.T, old, new string) []byte {
	t.Helper()
	text, err := fs.ReadFile(builtIn, "plain/brand.json")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("the plain brand has no %s", old)
	}
	return []byte(strings.Replace(string(text), old, new, 1))
}

func TestABrandChangesWhatItMayWithoutRecompiling(t *testing.T) {
	page := fstest.MapFS{"hello.html": {Data: []byte(`{{define "main"}}<p>{{.T "login.button"}}</p>{{end}}`)}}
	l, err := New(fstest.MapFS{
		"brand.json":           {Data: plainBrand(t, `"logo": ""`, `"logo": "mark.svg"`)},
		"mark.svg":             {Data: []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`)},
		"words.txt":            {Data: []byte("login.button\n  ja: 連携する\n")},
		"templates/parts.html": {Data: mustRead(t, "templates/parts.html")},
		"templates/hello.html": {Data: []byte(`{{define "main"}}<p class="own">{{.T "login.button"}}</p>{{end}}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	pages, err := l.Pages(page)
	if err != nil {
		t.Fatal(err)
	}
	html, err := pages.Render("hello", l.Page(httptest.NewRequest(http.MethodGet, "/", nil), "AL-000", "login.heading"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`<p class="own">連携する</p>`, "/assets/brand/mark.", "金融機関"} {
		if !strings.Contains(string(html), want) {
			t.Errorf("the page does not hold %s", want)
		}
	}
}

func mustRead(t *testing.T, name string) []byte {
	t.Helper()
	text, err := fs.ReadFile(builtIn, name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestABrandThatCannotBeReadByEverybodyIsRefused(t *testing.T) {
	for want, text := range map[string][]byte{
		"colours.onMain on colours.main": plainBrand(t, `"onMain": "#ffffff"`, `"onMain": "#557799"`),
		"colours.link on white":          plainBrand(t, `"link": "#0055ad"`, `"link": "#aaccee"`),
		"grey words on colours.tint":     plainBrand(t, `"tint": "#f0f9ff"`, `"tint": "#808080"`),
		"not a colour":                   plainBrand(t, `"main": "#00316a"`, `"main": "navy;}body{display:none"`),
		"name.en is missing":             plainBrand(t, `"en": "The Bank"`, `"en": ""`),
		"not a telephone number":         plainBrand(t, `"phone": "0000-00-0000"`, `"phone": "call us"`),
		"unknown field":                  plainBrand(t, `"logo"`, `"logos"`),
		"no picture":                     plainBrand(t, `"logo": ""`, `"logo": "gone.svg"`),
	} {
		if _, err := New(fstest.MapFS{"brand.json": {Data: text}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a fault that says %q", err, want)
		}
	}
	if _, err := New(fstest.MapFS{}); err == nil {
		t.Error("a folder without brand.json was taken")
	}
}

// usedPairs are the words on grounds that renkei.css puts together, by their
// names there, and the least contrast that each needs.
var usedPairs = []struct {
	ink, ground string
	least       float64
}{
	{"gray-900", "white", textContrast}, {"gray-900", "gray-50", textContrast},
	{"gray-700", "white", textContrast}, {"gray-700", "gray-50", textContrast},
	{"error", "white", textContrast}, {"error", "error-ground", textContrast},
	{"success", "success-ground", textContrast}, {"warn", "warn-ground", textContrast},
	{"gray-900", "warn-ground", textContrast}, {"gray-900", "success-ground", textContrast},
	{"gray-536", "white", partContrast}, {"black", "focus-yellow", partContrast},
}

func TestEveryPairOfColoursThatIsUsedHasEnoughContrast(t *testing.T) {
	css := string(mustRead(t, "static/renkei.css"))
	colour := func(name string) string {
		m := regexp.MustCompile(`--` + name + `: (#[0-9a-f]{6});`).FindStringSubmatch(css)
		if m == nil {
			t.Fatalf("renkei.css has no --%s", name)
		}
		return m[1]
	}
	for _, p := range usedPairs {
		if got, err := contrast(colour(p.ink), colour(p.ground)); err != nil || got < p.least {
			t.Errorf("%s on %s: %.2f, want %.1f (%v)", p.ink, p.ground, got, p.least, err)
		}
	}
	if colour("gray-900") != ink || colour("gray-700") != greyInk {
		t.Error("the colours that brands are checked against are not those of the pages")
	}
}

func TestContrastIsMeasuredAsWCAGSays(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want float64
	}{{"#000000", "#ffffff", 21}, {"#ffffff", "#ffffff", 1}, {"#767676", "#ffffff", 4.54}} {
		if got, err := contrast(c.a, c.b); err != nil || got < c.want-0.01 || got > c.want+0.01 {
			t.Errorf("%s on %s: %.3f, want %.2f (%v)", c.a, c.b, got, c.want, err)
		}
	}
}

func TestTheLanguageIsWhatWasAskedForThenChosenThenPreferred(t *testing.T) {
	for _, c := range []struct {
		query, cookie, header string
		want                  i18n.Language
	}{
		{"?lang=en", "ja", "ja", i18n.English},
		{"", "en", "ja", i18n.English},
		{"", "", "en", i18n.English},
		{"?lang=xx", "xx", "", i18n.Japanese},
	} {
		r := httptest.NewRequest(http.MethodGet, "/link/x"+c.query, nil)
		r.Header.Set("Accept-Language", c.header)
		if c.cookie != "" {
			r.AddCookie(&http.Cookie{Name: "__Host-lang", Value: c.cookie})
		}
		if got := Language(r); got != c.want {
			t.Errorf("%+v: got %s", c, got)
		}
	}
}

func TestASwitchOfLanguageLeadsNowhereElse(t *testing.T) {
	h := Switching(http.NotFoundHandler())
	for path, want := range map[string]string{
		"/link/a?lang=en":            "/link/a",
		"/link/a?lang=en&x=1":        "/link/a?x=1",
		"//evil.example/?lang=en":    "/evil.example/",
		"/a/../../evil?lang=ja":      "/evil",
		"/link/a?lang=en&lang=other": "/link/a",
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.Path, r.URL.RawQuery, _ = strings.Cut(path, "?")
		h.ServeHTTP(w, r)
		got := w.Header().Get("Location")
		if w.Code != http.StatusSeeOther || got != want {
			t.Errorf("%s leads to %q with %d, want %s", path, got, w.Code, want)
		}
	}
}

func TestWhatABrandOrAFactSaysIsTextAndNoHTML(t *testing.T) {
	page := fstest.MapFS{"hello.html": {Data: []byte(`{{define "main"}}{{template "facts" .Facts}}{{end}}`)}}
	l, err := New(fstest.MapFS{"brand.json": {Data: plainBrand(t, `"en": "The Bank"`, `"en": "The <b>{{.Nobody}}</b> \"Bank\""`)}})
	if err != nil {
		t.Fatal(err)
	}
	pages, err := l.Pages(page)
	if err != nil {
		t.Fatal(err)
	}
	view := struct {
		Page
		Facts []Fact
	}{l.Page(httptest.NewRequest(http.MethodGet, "/?lang=en", nil), "AL-000", "login.heading"), []Fact{
		{Name: "<i>name", Value: `<script>"v"</script>`, Lines: []string{"<a>", "b & c"}, OfBank: true},
		{Name: "terms", Value: "<u>", Lines: []string{"<p>"}, Link: "javascript:alert(1)"},
	}}
	html, err := pages.Render("hello", view)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`The &lt;b&gt;{{.Nobody}}&lt;/b&gt; &#34;Bank&#34;</span>`,
		`<div><dt>&lt;i&gt;name</dt><dd lang="ja">&lt;script&gt;&#34;v&#34;&lt;/script&gt;<ul><li>&lt;a&gt;</li><li>b &amp; c</li></ul></dd></div>`,
		`<a href="#ZgotmplZ">&lt;u&gt;</a><ul><li>&lt;p&gt;</li></ul>`,
	} {
		if !strings.Contains(string(html), want) {
			t.Errorf("the page has no %s:\n%s", want, html)
		}
	}
}
