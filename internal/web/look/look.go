// Package look is the bank's looks: the layout of every page, the parts that
// pages are put together from, their colours and type, and an institution's
// brand over them.
//
// It knows no journey and no protocol: a page is a struct of words and facts
// that its edge fills, with Page embedded. Start with Look, then Page; the
// layout is templates/layout.html, all parts are in templates/parts.html, and
// design tokens stand at the top of static/renkei.css.
package look

import (
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strings"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/i18n"
	"renkei.dev/internal/web"
)

//go:embed templates/*.html static plain
var builtIn embed.FS

// AssetPath is where Assets are served.
const AssetPath = "/assets/"

// Look is one institution's looks. It is read-only after New.
type Look struct {
	Brand  *Brand
	words  *i18n.Catalogue
	assets *web.Assets
	folder fs.FS // the brand's; never nil
	base   map[i18n.Language]*template.Template
	said   map[i18n.Language]map[string]string
}

// New returns the looks of a brand: a folder with brand.json and, as far as the
// institution wants them, its logo and the logos of partners, words.txt with
// sentences of its own, and templates/ with pages or parts of its own. A nil
// folder is the plain brand. Errors: fault.Invalid, with every fault of the
// folder.
func New(folder fs.FS) (*Look, error) {
	if folder == nil {
		plain, err := fs.Sub(builtIn, "plain")
		if err != nil {
			return nil, fault.Wrap(fault.Internal, "open the plain brand", err)
		}
		folder = plain
	}
	l := &Look{folder: folder, assets: web.NewAssets(AssetPath)}
	var err error
	if l.words, err = i18n.BuiltIn(); err != nil {
		return nil, err
	}
	if l.Brand, err = readBrand(folder); err != nil {
		return nil, err
	}
	if text, err := fs.ReadFile(folder, "words.txt"); err == nil {
		if l.words, err = l.words.With(string(text)); err != nil {
			return nil, err
		}
	}
	if err := l.gather(); err != nil {
		return nil, err
	}
	l.said = map[i18n.Language]map[string]string{}
	for _, language := range i18n.Languages {
		l.said[language] = l.constants(language)
	}
	l.base = map[i18n.Language]*template.Template{}
	for _, language := range i18n.Languages {
		l.base[language] = template.New("layout").Option("missingkey=error")
		for _, name := range []string{"layout.html", "parts.html"} {
			if err := l.parse(l.base[language], builtInTemplates(), name, language); err != nil {
				return nil, err
			}
		}
	}
	return l, nil
}

// constants returns what the frame of every page says of the brand, by the text
// and attributes of the template that say it.
func (l *Look) constants(language i18n.Language) map[string]string {
	known := map[string]string{}
	for action, said := range map[string]string{
		`{{.Bank}}`: l.Brand.Name.In(language), `{{.Own .Look.Brand.Service}}`: l.Brand.Service.In(language),
		`{{.Own .Look.Brand.Contact.Desk}}`: l.Brand.Contact.Desk.In(language), `{{.Own .Look.Brand.Contact.Hours}}`: l.Brand.Contact.Hours.In(language),
	} {
		if !strings.Contains(said, "{{") {
			known[">"+action+"<"] = ">" + template.HTMLEscapeString(said) + "<"
		}
	}
	for _, name := range []string{"brand.css", "renkei.css", "renkei.js"} {
		known[`="{{.Look.Asset "`+name+`"}}"`] = `="` + template.HTMLEscapeString(l.Asset(name)) + `"`
	}
	return known
}

func builtInTemplates() fs.FS {
	folder, err := fs.Sub(builtIn, "templates")
	if err != nil {
		panic("the embedded templates: " + err.Error()) // a fixed, valid path
	}
	return folder
}

// gather puts our own static files and the brand's pictures and colours into
// the assets.
func (l *Look) gather() error {
	static, err := fs.Sub(builtIn, "static")
	if err != nil {
		return fault.Wrap(fault.Internal, "open the static files", err)
	}
	if err := l.assets.AddAll(static); err != nil {
		return err
	}
	l.assets.Add("brand.css", l.Brand.css())
	files, err := fs.ReadDir(l.folder, ".")
	if err != nil {
		return fault.Wrap(fault.Invalid, "read the brand folder", err)
	}
	for _, f := range files {
		switch strings.ToLower(path.Ext(f.Name())) {
		case ".svg", ".png", ".jpg", ".jpeg", ".webp", ".ico", ".woff2":
			content, err := fs.ReadFile(l.folder, f.Name())
			if err != nil {
				return fault.Wrap(fault.Invalid, "read the brand's "+f.Name(), err)
			}
			l.assets.Add("brand/"+f.Name(), content)
		}
	}
	if l.Brand.Logo != "" && l.BrandFile(l.Brand.Logo) == "" {
		return fault.New(fault.Invalid, "brand.json: logo: the folder has no picture %s", l.Brand.Logo)
	}
	return nil
}

// Assets serves the static files, under AssetPath.
func (l *Look) Assets() http.Handler { return l.assets }

// AddAssets puts an edge's own static files beside ours, before serving begins.
func (l *Look) AddAssets(folder fs.FS) error { return l.assets.AddAll(folder) }

// Asset returns the address of a static file of ours; empty: there is none.
func (l *Look) Asset(name string) string { return l.assets.Address(name) }

// BrandFile returns the address of a picture in the brand folder; empty: there
// is none.
func (l *Look) BrandFile(name string) string { return l.assets.Address("brand/" + name) }

// Pages parses every .html file of a folder as one page over the layout, by its
// name without the ending. A file of the same name in the brand's templates/
// goes before ours.
func (l *Look) Pages(folder fs.FS) (*Set, error) {
	names, err := fs.Glob(folder, "*.html")
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "list the pages", err)
	}
	set := &Set{map[i18n.Language]map[string]*page{}}
	for language, base := range l.base {
		set.pages[language] = map[string]*page{}
		for _, name := range names {
			t, err := base.Clone()
			if err == nil {
				err = l.parse(t, folder, name, language)
			}
			if err != nil {
				return nil, err
			}
			set.pages[language][strings.TrimSuffix(name, ".html")] = &page{template: t}
		}
	}
	return set, nil
}

// parse adds a template file to t: the brand's if there is one, else ours.
func (l *Look) parse(t *template.Template, ours fs.FS, name string, language i18n.Language) error {
	text, err := fs.ReadFile(l.folder, "templates/"+name)
	if err != nil {
		if text, err = fs.ReadFile(ours, name); err != nil {
			return fault.Wrap(fault.Internal, "read the page "+name, err)
		}
	}
	if _, err := t.Parse(l.spoken(string(text), language)); err != nil {
		return fault.Wrap(fault.Invalid, "read the page "+name, err)
	}
	return nil
}

// sentence is an action that says words without facts, where text or a quoted
// attribute may stand.
var sentence = regexp.MustCompile(`(=?)\{\{\$?\.T\s"([a-z0-9_.]+)"\}\}`)

// spoken puts the words of a language that need no facts, and the brand's own,
// into a template once, instead of each time that a page is shown: more than half
// of a page's actions are such.
func (l *Look) spoken(text string, language i18n.Language) string {
	for action, said := range l.said[language] {
		text = strings.ReplaceAll(text, action, said)
	}
	words := l.words.In(language)
	return sentence.ReplaceAllStringFunc(text, func(action string) string {
		m := sentence.FindStringSubmatch(action)
		said, plain := words.Plain(m[2])
		if !plain || m[1] == "=" {
			return action
		}
		return template.HTMLEscapeString(said)
	})
}
