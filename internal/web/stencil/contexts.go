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
	text          effect             // of texts
	https, url    effect             // of texts and of template.URL behind secure
	html          bool               // template.HTML stays as it is
}

// secure is how nearly all addresses begin whose scheme a page names. What html/template
// makes of the rest does not depend on the scheme then.
const secure = "https://"

// effect is what becomes of the bytes of a value.
type effect struct {
	// each says that a byte means the same wherever it stands, but for the escapes of
	// addresses, so that of is all that there is to know. Otherwise only stays is true,
	// of values in which all bytes do.
	each    bool
	of      [256]string
	stays   [256]bool // of is that byte
	escapes bool      // a percent sign stays before two digits of 16
}

// places are the contexts that stencils know. Addresses have a meaning as a whole,
// by their scheme, so of them the plain ones alone are written without asking: those
// of bytes that stay, of which neither the colon nor the percent sign is one, and
// those that begin with secure.
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
		c := &context{before: p.before, after: p.after, asks: asks}
		if !c.learn(p.each) {
			continue
		}
		if _, known := all[c.chain]; !known {
			all[c.chain] = c
		}
	}
	return all
})

// learn asks html/template what it does at the place.
func (c *context) learn(each bool) bool {
	if c.asks.Execute(io.Discard, "") != nil {
		return false
	}
	for _, node := range c.asks.Tree.Root.Nodes {
		if action, ok := node.(*parse.ActionNode); ok {
			c.chain, _ = chain(action.Pipe)
		}
	}
	asText := func(s string) any { return s }
	if each {
		c.text = c.effect("", asText)
	} else {
		c.https = c.effect(secure, asText)
		c.url = c.effect(secure, func(s string) any { return template.URL(s) })
		for b := range 256 {
			one := string([]byte{byte(b)})
			c.text.stays[b] = (!c.https.each || c.https.stays[b]) && c.keeps(one, "a"+one+"a")
		}
	}
	c.html = c.keeps(template.HTML(`<b title='"'>&amp;+`), template.HTML("<"))
	return c.chain != "" && c.keeps("")
}

// samples are values in which bytes might mean something together.
var samples = []string{
	"&amp;&#43;", "a%41%fF%00", "%4", "%zz", "%%41", "javascript:alert(1)", "//a/../b?c=d&e[]='f'#g:h", "é漢\u2028\ufdd0\ufeff\uffff😀", "\xe6\xbc", "<!--a-->]]>",
}

// effect learns what becomes of every byte behind a beginning that stays. Where a
// sample shows that there is more to know it is empty: nothing stays, all is asked.
func (c *context) effect(begin string, typed func(string) any) effect {
	const between = "azxq" // stays, and makes no escape of what is before it
	var all strings.Builder
	for b := range 256 {
		all.WriteByte(byte(b))
		all.WriteString(between)
	}
	said, ok := strings.CutPrefix(string(c.ask(nil, typed(begin+all.String()))), begin)
	each := strings.Split(said, between)
	if !ok || len(each) != 257 {
		return effect{}
	}
	e := effect{each: true, escapes: c.keeps(typed(begin + "a%41%fF"))}
	for b := range 256 {
		e.of[b] = each[b]
		e.stays[b] = each[b] == string([]byte{byte(b)})
	}
	for _, s := range samples {
		if begin+string(c.put(nil, &e, s)) != string(c.ask(nil, typed(begin+s))) {
			return effect{}
		}
	}
	return e
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

// put writes a text behind one that it has the effect of.
func (c *context) put(out []byte, e *effect, s string) []byte {
	begin := 0
	for i := range len(s) {
		b := s[i]
		if e.stays[b] || b == '%' && e.escapes && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			continue
		}
		if !e.each {
			return c.ask(out, s)
		}
		out = append(append(out, s[begin:i]...), e.of[b]...)
		begin = i + 1
	}
	return append(out, s[begin:]...)
}

func isHex(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'f' || 'A' <= b && b <= 'F'
}

// putText writes a text.
func (c *context) putText(out []byte, s string) []byte {
	if rest, ok := strings.CutPrefix(s, secure); ok && c.https.each {
		return c.put(append(out, secure...), &c.https, rest)
	}
	return c.put(out, &c.text, s)
}

// putURL writes a template.URL.
func (c *context) putURL(out []byte, s string) []byte {
	if rest, ok := strings.CutPrefix(s, secure); ok && c.url.each {
		return c.put(append(out, secure...), &c.url, rest)
	}
	return c.ask(out, template.URL(s))
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
			f.out = c.putText(f.out, s)
		}
	case e.typ == reflect.TypeFor[template.URL]():
		return func(f *frame) {
			s := e.text(f)
			f.out = c.putURL(f.out, s)
		}
	case e.typ == reflect.TypeFor[template.HTML]() && c.html:
		return func(f *frame) {
			s := e.text(f)
			f.out = append(f.out, s...)
		}
	case isInt(e.typ) && !saysItself(e.typ):
		return func(f *frame) {
			s := strconv.FormatInt(e.get(f).Int(), 10)
			f.out = c.putText(f.out, s)
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
