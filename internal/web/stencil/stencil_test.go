package stencil

import (
	"bytes"
	"errors"
	"html/template"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"
)

// shape is a view with everything that the views of pages have.
type shape struct {
	Base
	Name    string
	Kind    kind
	Count   int
	Wide    bool
	HTML    template.HTML
	Address template.URL
	Path    string
	Self    Loud
	Lines   []string
	Rows    []row
	One     *row
	None    *row
	Any     any
	Map     map[string]string
	Ratio   float64
}

type Base struct {
	Title string
	words map[string]string
}

type row struct {
	Name string
	Next *row
}

type (
	kind string
	Loud string
)

func (l Loud) String() string { return string(l) + "!" }

func (b Base) T(key string, pairs ...any) string {
	said, ok := b.words[key]
	if !ok {
		panic("no words for " + key)
	}
	for _, p := range pairs {
		if s, ok := p.(string); ok {
			said += "," + s
		} else {
			said += ",other"
		}
	}
	return said
}

func (b Base) Twice(s string) string { return s + s }
func (b Base) Number() int           { return len(b.Title) }
func (b Base) Marked() template.HTML {
	return template.HTML("<b>" + template.HTMLEscapeString(b.Title) + "</b>")
}
func (b Base) Failing() (string, error)     { return "", errors.New("always") }
func (b *Base) ByPointer() string           { return b.Title }
func (r row) Of(b Base) string              { return r.Name + " of " + b.Title }
func (r row) Loudly() Loud                  { return Loud(r.Name) }
func (r *row) Deep() bool                   { return r != nil && r.Next != nil }
func (b Base) Sum(first int, _ ...int) int  { return first }
func (b Base) Self2(k kind) kind            { return k }
func (b Base) Rows2() []row                 { return []row{{Name: "made"}} }
func (b Base) Nothing(_ string, _ any) *row { return nil }

var quick = Methods{
	"T": MethodOf(func(b interface{ T(string, ...any) string }, args []any) string {
		return b.T(args[0].(string), args[1:]...)
	}),
	"Marked": MethodOf(func(b interface{ Marked() template.HTML }, _ []any) string { return string(b.Marked()) }),
	"Of": MethodOf(func(r interface{ Of(Base) string }, args []any) string {
		return r.Of(args[0].(Base))
	}),
}

// nasty is text in which everything stands that has a meaning somewhere.
const nasty = "<a href='x'>\"&amp;+ `\x00\t\r\n%41%zz 日本\u2028\ufdd0\uffff😀\xff\xe6\xbc javascript:alert(1)//"

func view() shape {
	return shape{
		Base: Base{nasty, map[string]string{"key": "said <b>"}}, Name: nasty, Kind: "a <kind>", Count: -12, Wide: true,
		HTML: `<i title="+">&amp;</i>`, Address: "https://a.example/?b=c&d='e'", Path: "/link/x?lang=en", Self: "<loud>",
		Lines: []string{"one", "<two>"}, Rows: []row{{Name: "r<1>"}, {"r2", &row{Name: "deep"}}}, One: &row{"one", &row{Name: "next"}},
		Any: "any", Map: map[string]string{"Key": "v"},
	}
}

func parsed(t testing.TB, text string) *template.Template {
	t.Helper()
	set, err := template.New("page").Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return set
}

// written returns what html/template makes of a view.
func written(t testing.TB, text, name string, view any) (string, error) {
	t.Helper()
	var b bytes.Buffer
	err := parsed(t, text).ExecuteTemplate(&b, name, view)
	return b.String(), err
}

func TestAStencilWritesWhatHTMLTemplateWrites(t *testing.T) {
	for _, text := range []string{
		`<p>{{.Name}} {{.Title}} {{.Kind}} {{.Count}} {{.Wide}} {{.HTML}} {{.Address}} {{.Path}} {{.Self}}</p>`,
		`<p title="{{.Name}} {{.Kind}} {{.Count}} {{.HTML}} {{.Address}}" lang="{{.Title}}" data-x="{{.Self}}" class="a {{.Wide}}">`,
		`<title>{{.Name}} {{.HTML}} {{.Count}}</title><textarea>{{.Name}}{{.HTML}}</textarea>`,
		`<a href="{{.Name}}"></a><a href="{{.Path}}"></a><a href="{{.Address}}"></a><a href="{{.HTML}}"></a><a href="{{.Count}}"></a>`,
		`<a href="#{{.Name}}"></a><a href="/a?b={{.Path}}"></a><a href="/{{.Name}}/{{.Path}}"></a><img src="{{.Name}}"><form action="{{.Path}}">`,
		`<meta http-equiv="refresh" content="0; url={{.Path}}"><meta http-equiv="refresh" content="0; url={{.Name}}">`,
		`{{if .Wide}}<p class="wide"{{if .None}} id="none"{{else}} id="{{.Kind}}"{{end}}>{{else}}<p>{{end}}`,
		`{{if .Lines}}lines{{end}}{{if .Count}}count{{end}}{{if .Map}}map{{end}}{{if .Base}}base{{end}}{{if .One}}one{{end}}{{if .Path}}path{{end}}`,
		`{{with .One}}{{.Name}} {{$.Title}} {{with .Next}}{{.Name}}{{with .Next}}no{{else}}{{.Name}}{{end}}{{end}}{{end}}{{with .None}}none{{else}}{{.Name}}{{end}}`,
		`{{range .Rows}}<li>{{.Name}}{{with .Next}} {{.Name}}{{end}} {{.Of $.Base}} {{.Loudly}}{{if .Next}}{{.Next.Deep}}{{end}}</li>{{end}}`,
		`{{range .Lines}}{{.}}{{else}}none{{end}}`,
		`{{range .Lines}}{{.}}{{end}}{{range $.Rows2}}{{.Name}}{{end}}`,
		`{{if and .Wide (gt .Count -13) (eq .Kind "a <kind>")}}and{{end}}{{if or .None .Count}}or{{end}}{{if not (or .None (lt .Count 0))}}not{{else}}else{{end}}`,
		`{{if and .None .None.Name}}never{{end}}{{if or .Wide .None.Name}}once{{end}}{{len .Rows}}{{if ne .Count (len .Lines)}}ne{{end}}{{if le 2 (len .Lines)}}le{{end}}{{if ge .Name .Title}}ge{{end}}`,
		`{{or .Kind .Kind}} {{or .None .One}} {{and .Lines .Lines}}`,
		`{{or "" .Name}} {{and .Name .Path}} <p title="{{or .Path "x"}}">{{"<said>"}} {{12}} {{-3}} {{true}} {{(.Twice "a")}} {{(.One).Name}}`,
		`{{.T "key"}} {{.T "key" "name" .Name "n" .Count "k" .Kind}} <p title="{{.T "key" "name" (.T "key" "x" .Path)}}">{{.Marked}} {{.Base.Marked}}`,
		`{{.Number}} {{.Twice .Name}} {{.Sum 3 4 5}} {{.Sum .Count}} {{.Self2 .Kind}} {{with .Marked}}{{.}}{{end}} {{with .Twice "b"}}{{.}}{{end}}`,
		`{{with .Nothing "a" .Name}}x{{else}}nothing{{end}}`, `{{$.Name}}{{with .Name}}{{.}}{{$.Count}}{{end}}`,
		`{{template "row" .One}}{{range .Rows}}{{template "row" .}}{{end}}{{define "row"}}<b>{{.Name}}{{with $.Next}}{{template "row" .}}{{end}}</b>{{end}}`,
		`<!-- gone --><p {{if .Wide}}title="{{.Name}}"{{end}}>{{/* gone */}} {{- .Kind -}} </p>`,
	} {
		v := view()
		for _, given := range []any{v, &v} {
			want, wrong := written(t, text, "page", given)
			s, err := Cut(parsed(t, text), "page", reflect.TypeOf(given), quick)
			if err != nil {
				t.Errorf("%s: %v", text, err)
				continue
			}
			got, err := s.Append([]byte("before "), given)
			if (err == nil) != (wrong == nil) {
				t.Errorf("%s: got %v, html/template says %v", text, err, wrong)
			}
			if err == nil && string(got) != "before "+want {
				t.Errorf("%s:\n got %q\nwant %q", text, got, want)
			}
		}
	}
}

func TestEveryContextMakesOfEveryTextWhatHTMLTemplateMakes(t *testing.T) {
	const text = `<p title="{{.}}" id="a{{.}}b">{{.}}</p><textarea>{{.}}</textarea><a href="{{.}}"></a><a href="/x/{{.}}"></a>` +
		`<a href="/?a={{.}}"></a><a href="#{{.}}"></a><form action="{{.}}"><meta http-equiv="refresh" content="1; url={{.}}"></form>`
	set := parsed(t, text)
	type named string
	stencils := map[reflect.Type]*Stencil{}
	for _, of := range []reflect.Type{
		reflect.TypeFor[string](), reflect.TypeFor[named](), reflect.TypeFor[template.HTML](), reflect.TypeFor[template.URL](),
		reflect.TypeFor[template.HTMLAttr](), reflect.TypeFor[template.JS](), reflect.TypeFor[Loud](),
	} {
		s, err := Cut(set, "page", of, nil)
		if err != nil {
			t.Fatal(err)
		}
		stencils[of] = s
	}
	same := func(s string) {
		t.Helper()
		for of, stencil := range stencils {
			v := reflect.ValueOf(s).Convert(of).Interface()
			var want bytes.Buffer
			if err := set.Execute(&want, v); err != nil {
				t.Fatal(err)
			}
			got, err := stencil.Append(nil, v)
			if err != nil || string(got) != want.String() {
				t.Fatalf("%v %q: %v\n got %q\nwant %q", of, s, err, got, want.String())
			}
		}
	}
	same("")
	same(nasty)
	for a := range 256 {
		same(string([]byte{byte(a)}))
		same("x" + string([]byte{byte(a)}) + "/:y")
		same("https://" + string([]byte{byte(a)}) + "b")
		same("https://a?b=" + string(rune(a*257)) + "%4")
	}
	pieces := []string{"javascript:", "https://", "mailto:", "//", "%", "%41", "%4", "&", "&amp;", "<", ">", "'", `"`, "+", "`", "=", ":", "/", "#", "?", " ", "\x00", "é", "漢", "\xe6", "a", "Z", "{{", "-->", "</p>"}
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 300 {
		var b strings.Builder
		if n%3 == 0 {
			b.WriteString("https://")
		}
		for range random.IntN(6) {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		same(b.String())
	}
}

func TestWhatOnlyHTMLTemplateCanWriteIsRefused(t *testing.T) {
	for _, text := range []string{
		`{{with $x := 1}}{{end}}`, `{{range .One}}x{{end}}`,
		`{{range .Rows}}{{.Deep}}{{end}}`, `{{printf "%s" .Name}}`, `{{.Name | html}}`, `{{.Name | printf "%s"}}`, `{{$x := .Name}}{{$x}}`, `{{range $i, $r := .Rows}}{{$i}}{{end}}`,
		`{{.Any}}`, `{{with .Any}}x{{end}}`, `{{.Map.Key}}`, `{{range .Map}}x{{end}}`, `{{index .Lines 0}}`, `{{.Ratio}}`, `{{if .Ratio}}x{{end}}`,
		`{{.Failing}}`, `{{.Twice 3}}`, `{{.Twice}}`, `{{.Missing}}`, `{{.words}}`, `{{range .Rows}}{{break}}{{end}}`, `{{1e3}} {{'a'}}`,
		`<p title={{.Name}}>`, `<script>x = {{.Name}}</script>`, `<p style="color: {{.Name}}">`, `<p {{.Name}}="x">`, `<p onclick="f({{.Name}})">`,
		`{{template "none" .}}`, `{{template "bare"}}{{define "bare"}}x{{end}}`, `{{eq .Kind "a" "b"}}`, `{{or .Name .Count}}`, `{{.Name "argument"}}`,
		`<p title="{{if .Wide}}">{{end}}`, // html/template refuses it too
	} {
		if s, err := Cut(parsed(t, text), "page", reflect.TypeFor[shape](), quick); err == nil {
			page, err := s.Append(nil, view())
			t.Errorf("%s was cut, and writes %q (%v)", text, page, err)
		}
	}
	if _, err := Cut(parsed(t, `{{.ByPointer}}`), "page", reflect.TypeFor[shape](), quick); err == nil {
		t.Error("a method of the pointer alone was called on a value")
	}
}

func TestWhatHTMLTemplateFailsAtFails(t *testing.T) {
	for _, text := range []string{`a{{.None.Name}}`, `a{{.T "unknown"}}`, `a{{with .One}}{{.Next.Next.Next.Name}}{{end}}`, `a{{.None.Of .Base}}`} {
		v := view()
		if _, err := written(t, text, "page", v); err == nil {
			t.Errorf("html/template writes %s", text)
		}
		s, err := Cut(parsed(t, text), "page", reflect.TypeFor[shape](), quick)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		for range 2 { // what failed leaves nothing behind for the next page
			if page, err := s.Append([]byte("before"), v); err == nil || string(page) != "before" {
				t.Errorf("%s writes %q (%v)", text, page, err)
			}
		}
	}
	s, err := Cut(parsed(t, `{{.Name}}`), "page", reflect.TypeFor[shape](), quick)
	if err != nil {
		t.Fatal(err)
	}
	for _, stranger := range []any{nil, "text", &shape{}, row{}} {
		if page, err := s.Append(nil, stranger); err == nil {
			t.Errorf("a stencil for another view writes %q for %T", page, stranger)
		}
	}
}

func TestOneStencilWritesManyPagesAtOnce(t *testing.T) {
	const text = `{{range .Rows}}{{.Name}} {{$.T "key" "a" $.Name "b" ($.T "key")}} {{end}}{{.Count}}`
	s, err := Cut(parsed(t, text), "page", reflect.TypeFor[shape](), quick)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			v := view()
			v.Count, v.Name = n, strings.Repeat("n", n)
			want, err := written(t, text, "page", v)
			if err != nil {
				t.Error(err)
			}
			for range 100 {
				if got, err := s.Append(nil, v); err != nil || string(got) != want {
					t.Errorf("got %q, want %q (%v)", got, want, err)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestWhatPagesAreFullOfIsWrittenWithoutAsking(t *testing.T) {
	for _, text := range []string{
		`<p title="{{.}}">{{.}}</p><title>{{.}}</title>`, `<a href="{{.}}">`, `<form action="/{{.}}">`, `<meta http-equiv="refresh" content="0; url={{.}}">`,
	} {
		for _, value := range []any{"https://a.example/cb?code=x&iss=https%3A%2F%2Fb.example&state='s'", "/link/jny_1/consent?lang=en", template.URL("https://a.example/?b=c&d=%41")} {
			if _, isURL := value.(template.URL); isURL && !strings.HasPrefix(text, "<a") {
				continue
			}
			s, err := Cut(parsed(t, text), "page", reflect.TypeOf(value), nil)
			if err != nil {
				t.Fatal(err)
			}
			room := make([]byte, 0, 4096)
			allocations := testing.AllocsPerRun(100, func() {
				if _, err := s.Append(room, value); err != nil {
					t.Fatal(err)
				}
			})
			if allocations > 3 { // the copy of the view, and what boxes it
				t.Errorf("%s of %v takes %v allocations", text, value, allocations)
			}
		}
	}
}
