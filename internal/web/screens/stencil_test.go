package screens

import (
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"renkei.dev/internal/i18n"
	"renkei.dev/internal/web/look"
)

// ownTemplates is a brand that replaces all our templates by ones that say the same
// and more; with printf, which no stencil can do, on the page of the question.
func ownTemplates(t *testing.T) fs.FS {
	t.Helper()
	brand := fstest.MapFS{"mark.svg": {Data: []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`)}}
	for name, folder := range map[string]string{"": "../look/plain", "templates/": "../look/templates"} {
		addFiles(t, brand, name, folder)
	}
	addFiles(t, brand, "templates/", "templates")
	change := func(name, old, new string) {
		text := string(brand[name].Data)
		if !strings.Contains(text, old) {
			t.Fatalf("%s has no %s", name, old)
		}
		brand[name] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(text, old, new))}
	}
	change("brand.json", `"logo": ""`, `"logo": "mark.svg"`)
	change("brand.json", `"en": "The Bank"`, `"en": "The \"Bank\" <& {{.Nobody}}>"`)
	change("templates/parts.html", `{{define "steps"}}`, `{{define "steps"}}<p data-of="{{.Company}}">{{with .Partner}}{{.Service}} {{$.User}}{{end}}</p>`)
	change("templates/parts.html", `{{define "leave"}}`, `{{define "leave"}}{{if .Leave}}<a href="{{.Leave.Action}}?x={{.Number}}">{{.Screen}}</a>{{end}}`)
	change("templates/question.html", `{{define "main"}}`, `{{define "main"}}{{printf "%s %d" .Screen (len .Steps)}}`)
	change("templates/consent.html", `{{define "main"}}`, `{{define "main"}}<title>{{.Authority}}</title>{{range .Statement}}{{.}}{{end}}`)
	return brand
}

func addFiles(t *testing.T, to fstest.MapFS, under, folder string) {
	t.Helper()
	files := os.DirFS(folder)
	names, err := fs.Glob(files, "*.*")
	must(t, err)
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		must(t, err)
		to[under+name] = &fstest.MapFile{Data: text}
	}
}

func TestStencilsWriteEveryPageAsItsTemplatesDo(t *testing.T) {
	for name, brand := range map[string]fs.FS{"plain": nil, "own templates": ownTemplates(t)} {
		t.Run(name, func(t *testing.T) {
			looks, err := look.New(brand)
			must(t, err)
			options := testScreens(t).Options
			options.Look = looks
			s, err := New(options)
			must(t, err)
			byTemplates := &Screens{s.Options, s.pages.ByTemplates()}
			for _, p := range pages() {
				p.journey.Company = hostile(p.journey.Company)
				if p.journey.Question != nil {
					q := *p.journey.Question
					q.Question = hostile(q.Question)
					p.journey.Question = &q
				}
				for _, l := range i18n.Languages {
					got, want := render(s, p, l), render(byTemplates, p, l)
					if got.Code != want.Code || got.Body.String() != want.Body.String() {
						t.Errorf("%s in %s is not what its templates say:\n%s\n%s", p.name, l, got.Body, want.Body)
					}
				}
			}
			err = s.pages.Unstenciled()
			switch {
			case brand == nil && err != nil:
				t.Errorf("html/template had to write pages of ours: %v", err)
			case brand != nil && (err == nil || strings.Count(err.Error(), "cut the page") != len(i18n.Languages) || !strings.Contains(err.Error(), "printf")):
				t.Errorf("of the brand's pages, html/template had to write %v; want that with printf alone", err)
			}
		})
	}
}

// hostile is a name that would be more than text if nobody took care.
func hostile(name string) string {
	if name == "" {
		return ""
	}
	return name + `<script>"'+&amp;` + "`\x00"
}
