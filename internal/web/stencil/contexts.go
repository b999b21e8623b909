package stencil

import (
	"bytes"
	"fmt"
	"html/template"
	"io"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"text/template/parse"
)

// context is a place in a page at which html/template makes values harmless in
// one and the same way.
type context struct {
	before, after string             // what stands around the value in asks
	asks          *template.Template // one value at such a place
	chain         string             // what html/template puts behind the value there
	// each says that a character means the same wherever it stands in a value, so
	// that byBytes is all that there is to know. Otherwise it only says which values
	// stay as they are.
	each    bool
	byBytes [256]string // what becomes of a byte
	stays   [256]bool   // byBytes is that byte
	html    bool        // template.HTML stays as it is
}

// places are the contexts that stencils know. Addresses have a meaning as a whole,
// by their scheme, so of them the plain ones alone are written without asking:
// those of bytes that stay, of which neither the colon nor the percent sign is one.
var places = []struct {
	before, after string
	each          bool
}{
	{"<p>", "</p>", true},
	{`<p title="`, `">`, true},
	{"<title>", "</title>", true},
	{`<a href="`, `">`, false},
	{`<a href="/`, `">`, false},
	{`<a href="/?`, `">`, false},
	{`<meta http-equiv="refresh" content="0; url=`, `">`, false},
}

// contexts are the known contexts by their chain.
var contexts = sync.OnceValue(func() map[string]*context {
	all := map[string]*context{}
	for _, p := range places {
		asks, err := template.New("value").Parse(p.before + "{{.}}" + p.after)
		if err != nil {
			continue // an html/template that does not know the place writes such pages itself
		}
		c := &context{before: p.before, after: p.after, asks: asks, each: p.each}
		if !c.learn() {
			continue
		}
		if _, known := all[c.chain]; !known {
			all[c.chain] = c
		}
	}
	return all
})

// learn asks html/template what becomes of every byte.
func (c *context) learn() bool {
	if c.asks.Execute(io.Discard, "") != nil {
		return false
	}
	for _, node := range c.asks.Tree.Root.Nodes {
		if action, ok := node.(*parse.ActionNode); ok {
			c.chain, _ = chain(action.Pipe)
		}
	}
	for b := range 128 {
		said := string(c.ask(nil, string(rune(b))))
		c.byBytes[b], c.stays[b] = said, said == string(rune(b))
	}
	wide := c.keeps("é", "漢", "\u2028", "\ufdd0", "\ufeff", "\uffff", "😀", "\x80", "\xff", "\xe6\xbc")
	for b := 128; b < 256; b++ {
		c.byBytes[b], c.stays[b] = string([]byte{byte(b)}), wide
	}
	c.each = c.each && wide
	c.html = c.keeps(template.HTML(`<b title='"'>&amp;+`), template.HTML("<"))
	return c.chain != ""
}

// keeps tells whether all values stay as they are.
func (c *context) keeps(values ...any) bool {
	for _, v := range values {
		if string(c.ask(nil, v)) != fmt.Sprint(v) {
			return false
		}
	}
	return true
}

// ask lets html/template write a value.
func (c *context) ask(out []byte, value any) []byte {
	var b bytes.Buffer
	if err := c.asks.Execute(&b, value); err != nil {
		panic(err)
	}
	said := b.Bytes()
	return append(out, said[len(c.before):len(said)-len(c.after)]...)
}

// put writes a text.
func (c *context) put(out []byte, s string) []byte {
	begin := 0
	for i := range len(s) {
		if c.stays[s[i]] {
			continue
		}
		if !c.each {
			return c.ask(out, s)
		}
		out = append(append(out, s[begin:i]...), c.byBytes[s[i]]...)
		begin = i + 1
	}
	return append(out, s[begin:]...)
}

// The types whose strings html/template takes for more than text.
var contentTypes = map[reflect.Type]bool{
	reflect.TypeFor[template.CSS](): true, reflect.TypeFor[template.HTML](): true, reflect.TypeFor[template.HTMLAttr](): true,
	reflect.TypeFor[template.JS](): true, reflect.TypeFor[template.JSStr](): true, reflect.TypeFor[template.URL](): true,
	reflect.TypeFor[template.Srcset](): true,
}

var (
	stringer = reflect.TypeFor[fmt.Stringer]()
	failure  = reflect.TypeFor[error]()
)

// saysItself tells whether values of a type have their own way to be written.
func saysItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return contentTypes[t] || p.Implements(stringer) || p.Implements(failure) || t.Implements(stringer) || t.Implements(failure)
}

// write returns the step that writes a value at such a place.
func (c *context) write(e expr) step {
	switch {
	case e.text != nil && !saysItself(e.typ):
		return func(f *frame) {
			s := e.text(f)
			f.out = c.put(f.out, s)
		}
	case e.typ == reflect.TypeFor[template.HTML]() && c.html:
		return func(f *frame) {
			s := e.text(f)
			f.out = append(f.out, s...)
		}
	case isInt(e.typ) && !saysItself(e.typ):
		return func(f *frame) {
			s := strconv.FormatInt(e.get(f).Int(), 10)
			f.out = c.put(f.out, s)
		}
	}
	return func(f *frame) {
		v := e.get(f).Interface()
		f.out = c.ask(f.out, v)
	}
}

// chain returns what html/template put behind the first command of an action;
// false if that is anything else.
func chain(p *parse.PipeNode) (string, bool) {
	if len(p.Decl) > 0 || len(p.Cmds) < 2 {
		return "", false
	}
	var names []string
	for _, command := range p.Cmds[1:] {
		name, ok := command.Args[0].(*parse.IdentifierNode)
		if !ok || len(command.Args) > 1 || !strings.HasPrefix(name.Ident, "_html_template_") {
			return "", false
		}
		names = append(names, name.Ident)
	}
	return strings.Join(names, "|"), true
}
