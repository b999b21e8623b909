// Package stencil writes pages of html/template without looking their fields and
// methods up by name each time.
//
// Cut takes a template that html/template has already made safe, and one Go type
// of views, and works out once where every field lies; the stencil then writes
// what the template would, to the byte, at a tenth of the cost. What stands in
// which context is decided by html/template alone: its rewritten tree says it,
// and what a context does to a value was learned from it or is asked of it
// (contexts.go). A template that a stencil cannot do exactly is refused by Cut,
// and a view for which the template would fail by Append: who uses this package
// lets html/template write the page then.
//
// It knows no page, no language and no brand.
package stencil

import (
	"fmt"
	"html/template"
	"io"
	"reflect"
	"sync"

	"renkei.dev/internal/fault"
)

// Stencil writes one page for views of one type. It is read-only and may be used
// in parallel.
type Stencil struct {
	view reflect.Type
	page *part
}

// frame is where the writing of one page stands.
type frame struct {
	out  []byte
	root reflect.Value // $
	dot  reflect.Value
	args []any // a stack: those of calls that are being made
}

// step writes a piece of a page. What html/template would fail at panics.
type step func(*frame)

// part is a named template for one type of dot.
type part struct{ steps []step }

func (p *part) run(f *frame) { run(p.steps, f) }

func run(steps []step, f *frame) {
	for _, s := range steps {
		s(f)
	}
}

var frames = sync.Pool{New: func() any { return new(frame) }}

// Cut makes the stencil of the template name of set for views of a type, a struct
// or a pointer to one. set is html/template's afterwards as before, but takes no
// more templates. Errors: fault.Invalid for what only html/template can write.
func Cut(set *template.Template, name string, view reflect.Type, methods Methods) (*Stencil, error) {
	// html/template makes a template safe when it is first written. That the
	// writing itself fails for want of a view is no matter.
	_ = set.ExecuteTemplate(io.Discard, name, nil)
	c := &cutter{set: set, methods: methods, parts: map[partKey]*part{}}
	page, err := c.part(name, view)
	if err != nil {
		return nil, err
	}
	return &Stencil{view, page}, nil
}

// Append writes the page of a view behind out. It fails where html/template would,
// without saying as well what is wrong.
func (s *Stencil) Append(out []byte, view any) (page []byte, err error) {
	v := reflect.ValueOf(view)
	if !v.IsValid() || v.Type() != s.view {
		return out, fault.New(fault.Internal, "a stencil for %v is no stencil for %T", s.view, view)
	}
	if v.Kind() != reflect.Pointer { // methods are called by the address of what has them
		p := reflect.New(s.view).Elem()
		p.Set(v)
		v = p
	}
	f := frames.Get().(*frame)
	f.out, f.root, f.dot = out, v, v
	defer func() {
		if what := recover(); what != nil {
			page, err = out, fault.New(fault.Internal, "write a page by its stencil: %s", fmt.Sprint(what))
		}
		clear(f.args[:cap(f.args)])
		*f = frame{args: f.args[:0]}
		frames.Put(f)
	}()
	s.page.run(f)
	return f.out, nil
}

// Methods are methods of views that templates call often, by their names. A call
// by reflection costs ten times as much.
type Methods map[string]Method

// Method is a method that returns a string, or a type of strings.
type Method struct {
	of   reflect.Type
	call func(receiver any, args []any) string
}

// MethodOf returns a method of all types that implement I. call is given what the
// method takes, and must not keep args.
func MethodOf[I any](call func(receiver I, args []any) string) Method {
	return Method{reflect.TypeFor[I](), func(receiver any, args []any) string { return call(receiver.(I), args) }}
}
