package look

import (
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"renkei.dev/internal/i18n"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/web"
)

// The greys of words, as in static/renkei.css.
const (
	ink     = "#1a1a1a"
	greyInk = "#4d4d4d"
)

// Page is what every page shares; the struct of a page embeds it.
type Page struct {
	i18n.Words
	Look    *Look
	Screen  string // AL-100
	Heading string // the first h1, in the manual's words
	Wide    bool   // a page with a table takes more room on a large screen

	Number    string // お問い合わせ番号; empty: none
	Partner   *Partner
	Company   string // whose business it is: after the login
	User      string
	Steps     []Step
	Remaining *Remaining
	Leave     *Leave
	Another   *Leave    // 別の利用者としてログインする
	Problems  []Problem // the error summary
	Refresh   string    // an address that the browser goes to at once; empty: none
	Switch    []LanguageLink
	Alone     bool // a page that stands by itself: no contact in the footer
}

// Partner is who the accounts are linked with, always in sight.
type Partner struct {
	Service      string
	Corporation  string
	Registration string // 電子決済等代行業者登録番号
	Logo         string // address; empty: none
}

// Step is one place of the step indicator.
type Step struct {
	Name string
	Done bool
	Here bool
}

// Remaining is how long the page is good.
type Remaining struct {
	Until      string // the time of day, in words
	Seconds    int    // from now
	WarnAt     int    // seconds before the end at which the page warns
	Extendable bool
	Action     string // where the extension is posted
	Press      string
}

// Left says in words how long that is.
func (r Remaining) Left(w i18n.Words) string {
	if r.Seconds < 60 {
		return w.T("layout.less_than_minute")
	}
	return w.T("layout.minutes", "n", (r.Seconds+30)/60)
}

// Leave is a small form with one button, such as 中止して連携先へ戻る.
type Leave struct {
	Action string
	Press  string
}

// Problem is one line of the error summary.
type Problem struct {
	Field string // the id of the field that it leads to; empty: the whole page
	Text  string
}

// LanguageLink leads to the same page in a language.
type LanguageLink struct {
	Code    i18n.Language
	Name    string // in that language
	Address string
	Current bool
}

// Field is a labelled field of one line.
type Field struct {
	ID           string // also its name
	Label        string
	Support      []string // what helps to fill it in, before the field
	Error        string
	Value        string
	Secret       bool   // typed unseen, with a button to see it
	Autocomplete string // a token of HTML's autofill
	InputMode    string
	Required     bool
	Words        i18n.Words
}

// Fact is a name and what it is.
type Fact struct {
	Name  string
	Value string
	Lines []string // beside or instead of Value
	Link  string   // an address that Value leads to
	// OfBank says that Value is as the bank wrote it, in Japanese whatever the page speaks.
	OfBank bool
}

// Row returns a fact without a link as HTML. Pages are full of them.
func (f Fact) Row() template.HTML {
	var room [1024]byte // for nearly every row
	row := append(room[:0], "<div><dt>"...)
	row = append(row, template.HTMLEscapeString(f.Name)...)
	row = append(row, "</dt><dd"...)
	if f.OfBank {
		row = append(row, ` lang="ja"`...)
	}
	row = append(row, '>')
	row = append(row, template.HTMLEscapeString(f.Value)...)
	row = f.list(row)
	row = append(row, "</dd></div>"...)
	return template.HTML(row)
}

// List returns Lines as HTML; empty: there are none.
func (f Fact) List() template.HTML { return template.HTML(f.list(nil)) }

func (f Fact) list(out []byte) []byte {
	if len(f.Lines) == 0 {
		return out
	}
	out = append(out, "<ul>"...)
	for _, line := range f.Lines {
		out = append(out, "<li>"...)
		out = append(out, template.HTMLEscapeString(line)...)
		out = append(out, "</li>"...)
	}
	return append(out, "</ul>"...)
}

// Describers returns the ids of what describes the field, for aria-describedby.
func (f Field) Describers() string {
	s := ""
	if len(f.Support) > 0 {
		s = f.ID + "-support"
	}
	if f.Error != "" {
		if s != "" {
			s += " "
		}
		s += f.ID + "-error"
	}
	return s
}

var languageCookie = web.Cookie{Name: "lang", Life: 365 * 24 * time.Hour}

// Language returns the language of a request: what its address asks for, what
// the customer once switched to, what the browser prefers.
func Language(r *http.Request) i18n.Language {
	if r.URL.RawQuery != "" {
		if l, ok := i18n.Parse(r.URL.Query().Get("lang")); ok {
			return l
		}
	}
	if l, ok := i18n.Parse(languageCookie.Of(r).Reveal()); ok {
		return l
	}
	return i18n.Match(r.Header.Get("Accept-Language"))
}

// Switching remembers a language that ?lang= names and leads to the same page
// without it, so that a journey keeps its place and its address.
func Switching(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "" || r.Method != http.MethodGet {
			next.ServeHTTP(w, r)
			return
		}
		query := r.URL.Query()
		l, ok := i18n.Parse(query.Get("lang"))
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		languageCookie.Set(w, secret.Of(string(l)))
		query.Del("lang")
		// One slash at the start: //name would lead to another host.
		path := "/" + strings.TrimLeft(r.URL.Path, "/")
		http.Redirect(w, r, (&url.URL{Path: path, RawQuery: query.Encode()}).RequestURI(), http.StatusSeeOther)
	})
}

// Words returns the words for the answer to r.
func (l *Look) Words(r *http.Request) i18n.Words { return l.words.In(Language(r)) }

// secretParameters are none of any page's: who opens one with them, by mistake or
// to see what comes back, does not find them in what it says.
var secretParameters = []string{"code", "response", "access_token", "refresh_token", "id_token", "token", "client_assertion", "password"}

// Page returns the shared part of a page that answers r.
func (l *Look) Page(r *http.Request, screen, headingKey string) Page {
	words := l.Words(r)
	return Page{Words: words, Look: l, Screen: screen, Heading: words.T(headingKey), Switch: switches(r, words.Language())}
}

// plainSwitches lead to a page without a query, by the page's language. They are
// read-only.
var plainSwitches = func() map[i18n.Language][]LanguageLink {
	all := map[i18n.Language][]LanguageLink{}
	for _, current := range i18n.Languages {
		all[current] = switchesOf(url.Values{}, current)
	}
	return all
}()

// switches are the links to the same page in each language.
func switches(r *http.Request, current i18n.Language) []LanguageLink {
	if r.URL.RawQuery == "" {
		return plainSwitches[current]
	}
	query := r.URL.Query()
	for _, name := range secretParameters {
		query.Del(name)
	}
	return switchesOf(query, current)
}

func switchesOf(query url.Values, current i18n.Language) []LanguageLink {
	links := []LanguageLink{{Code: i18n.Japanese, Name: "日本語"}, {Code: i18n.English, Name: "English"}}
	for i := range links {
		query.Set("lang", string(links[i].Code))
		links[i].Address, links[i].Current = "?"+query.Encode(), links[i].Code == current
	}
	return links
}

// Bank returns the institution's name.
func (p Page) Bank() string { return p.Look.Brand.Name.In(p.Language()) }

// Self returns how the institution calls itself in a sentence.
func (p Page) Self() string { return p.Look.Brand.Self.In(p.Language()) }

// Own returns a text of the institution's own in the page's language.
func (p Page) Own(t Text) string { return t.In(p.Language()) }

// Title is the title of the window: an error is said first, since a screen
// reader reads it first.
func (p Page) Title() string {
	title := p.Heading + " | " + p.Bank()
	if len(p.Problems) > 0 {
		return p.T("layout.error_title", "title", title)
	}
	return title
}

// Logo returns the address of the bank's logo; empty: none.
func (p Page) Logo() string { return p.Look.BrandFile(p.Look.Brand.Logo) }

// HereOf returns the number of the step on which the page stands, from 1.
func (p Page) HereOf() int {
	for i, s := range p.Steps {
		if s.Here {
			return i + 1
		}
	}
	return 0
}

// HereName returns the name of the step on which the page stands.
func (p Page) HereName() string {
	if n := p.HereOf(); n > 0 {
		return p.Steps[n-1].Name
	}
	return ""
}

// ProblemAt returns what is wrong at a field; empty: nothing.
func (p Page) ProblemAt(field string) string {
	for _, problem := range p.Problems {
		if problem.Field == field {
			return problem.Text
		}
	}
	return ""
}
