package look

import (
	"bytes"
	"errors"
	"html/template"
	"net/http"
	"reflect"
	"strconv"
	"sync"
	"sync/atomic"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/i18n"
	"renkei.dev/internal/web/stencil"
)

// Set is the pages of one edge, once for each language.
type Set struct {
	pages map[i18n.Language]map[string]*page
}

// page is a template, ours or the brand's, and the stencils that were cut of it: one
// for each type of views, which are as many as the edge has structs.
type page struct {
	template *template.Template
	plainly  bool     // no stencils
	stencils sync.Map // of a reflect.Type, the view's: a *cut
}

// cut is a stencil, or why html/template must write the page.
type cut struct {
	stencil *stencil.Stencil
	err     error
	failed  atomic.Pointer[error] // the last failure for a single view
}

func (p *page) cut(view any) *cut {
	of := reflect.TypeOf(view)
	known, ok := p.stencils.Load(of)
	if !ok {
		s, err := stencil.Cut(p.template, "layout", of, methods)
		known, _ = p.stencils.LoadOrStore(of, &cut{stencil: s, err: err})
	}
	return known.(*cut)
}

// methods are those that our templates call for nearly every line.
var methods = stencil.Methods{
	"T": stencil.MethodOf(func(w interface{ T(string, ...any) string }, args []any) string {
		return w.T(args[0].(string), args[1:]...)
	}),
	"Row":        stencil.MethodOf(func(f interface{ Row() template.HTML }, _ []any) string { return string(f.Row()) }),
	"List":       stencil.MethodOf(func(f interface{ List() template.HTML }, _ []any) string { return string(f.List()) }),
	"Describers": stencil.MethodOf(func(f interface{ Describers() string }, _ []any) string { return f.Describers() }),
	"Title":      stencil.MethodOf(func(p interface{ Title() string }, _ []any) string { return p.Title() }),
	"Bank":       stencil.MethodOf(func(p interface{ Bank() string }, _ []any) string { return p.Bank() }),
	"Self":       stencil.MethodOf(func(p interface{ Self() string }, _ []any) string { return p.Self() }),
	"Logo":       stencil.MethodOf(func(p interface{ Logo() string }, _ []any) string { return p.Logo() }),
	"Asset":      stencil.MethodOf(func(l interface{ Asset(string) string }, args []any) string { return l.Asset(args[0].(string)) }),
	"Language":   stencil.MethodOf(func(w interface{ Language() i18n.Language }, _ []any) string { return string(w.Language()) }),
	"Left": stencil.MethodOf(func(r interface{ Left(i18n.Words) string }, args []any) string {
		return r.Left(args[0].(i18n.Words))
	}),
}

func (s *Set) page(name string, view any) (*page, error) {
	language := i18n.Japanese
	if spoken, ok := view.(interface{ Language() i18n.Language }); ok {
		language = spoken.Language()
	}
	p, ok := s.pages[language][name]
	if !ok {
		return nil, fault.New(fault.Internal, "there is no page %s", name)
	}
	return p, nil
}

// Render returns a page's HTML in the language of its words. view is a struct with
// Page embedded, or a pointer to one.
func (s *Set) Render(name string, view any) ([]byte, error) { return s.append(nil, name, view) }

// append writes a page behind out: by a stencil, unless the page needs what none can
// do, or fails. Then html/template writes it, or says what is wrong.
func (s *Set) append(out []byte, name string, view any) ([]byte, error) {
	p, err := s.page(name, view)
	if err != nil {
		return nil, err
	}
	if !p.plainly {
		c := p.cut(view)
		if c.err == nil {
			html, err := c.stencil.Append(out, view)
			if err == nil {
				return html, nil
			}
			c.failed.Store(&err)
		}
	}
	html := bytes.NewBuffer(out)
	if err := p.template.ExecuteTemplate(html, "layout", view); err != nil {
		return nil, fault.Wrap(fault.Internal, "write the page "+name, err)
	}
	return html.Bytes(), nil
}

// ByTemplates returns the same pages without stencils, to compare with: the bytes are
// the same, at ten times the cost.
func (s *Set) ByTemplates() *Set {
	plain := &Set{map[i18n.Language]map[string]*page{}}
	for language, pages := range s.pages {
		plain.pages[language] = map[string]*page{}
		for name, p := range pages {
			plain.pages[language][name] = &page{template: p.template, plainly: true}
		}
	}
	return plain
}

// Unstenciled tells which of the pages that were shown html/template had to write, and
// why; nil: none. A brand's own templates may need what stencils cannot do; ours do not.
func (s *Set) Unstenciled() error {
	var all []error
	for language, pages := range s.pages {
		for name, p := range pages {
			for _, known := range p.stencils.Range {
				c := known.(*cut)
				err := c.err
				if failed := c.failed.Load(); failed != nil {
					err = *failed
				}
				if err != nil {
					all = append(all, fault.Wrap(fault.Invalid, "cut the page "+name+" in "+string(language), err))
				}
			}
		}
	}
	return errors.Join(all...)
}

// Pages are written into room that is used again, unless one was uncommonly long.
const (
	usualPage   = 16 << 10
	longestPage = 128 << 10
)

var rooms = sync.Pool{New: func() any {
	room := make([]byte, 0, usualPage)
	return &room
}}

// Show writes a page with a status. It writes nothing when it fails.
func (s *Set) Show(w http.ResponseWriter, status int, name string, view any) error {
	room := rooms.Get().(*[]byte)
	html, err := s.append((*room)[:0], name, view)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(html))) // or it goes in chunks, one write more
	w.WriteHeader(status)
	if _, err := w.Write(html); err != nil {
		return nil // the browser went away: nobody is left to tell, and someone may hold the room
	}
	if cap(html) <= longestPage {
		*room = html
		rooms.Put(room)
	}
	return nil
}
