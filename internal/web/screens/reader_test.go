package screens

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// element is an element of a page, as the tests read it.
type element struct {
	name     string
	attrs    map[string]string
	children []*element // a text is an element without a name
	text     string
	parent   *element
}

// readPage reads our own HTML, which closes what it opens.
func readPage(html string) (*element, error) {
	d := xml.NewDecoder(strings.NewReader(html))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	root := &element{}
	here := root
	for {
		token, err := d.Token()
		if err == io.EOF {
			return root, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read a page: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			e := &element{name: t.Name.Local, attrs: map[string]string{}, parent: here}
			for _, a := range t.Attr {
				e.attrs[a.Name.Local] = a.Value
			}
			here.children = append(here.children, e)
			here = e
		case xml.EndElement:
			here = here.parent
		case xml.CharData:
			here.children = append(here.children, &element{text: string(t), parent: here})
		}
	}
}

// all returns the elements below e, in order, for which is holds.
func (e *element) all(is func(*element) bool) []*element {
	var found []*element
	for _, c := range e.children {
		if c.name != "" && is(c) {
			found = append(found, c)
		}
		found = append(found, c.all(is)...)
	}
	return found
}

func (e *element) named(names ...string) []*element {
	return e.all(func(c *element) bool {
		for _, n := range names {
			if c.name == n {
				return true
			}
		}
		return false
	})
}

func (e *element) byID(id string) *element {
	for _, c := range e.all(func(c *element) bool { return c.attrs["id"] == id }) {
		return c
	}
	return nil
}

func (e *element) has(attr string) bool { _, ok := e.attrs[attr]; return ok }

func (e *element) hasClass(class string) bool {
	for _, c := range strings.Fields(e.attrs["class"]) {
		if c == class {
			return true
		}
	}
	return false
}

// words returns the text that a reader sees in e, on one line.
func (e *element) words() string {
	var b strings.Builder
	e.write(&b)
	return strings.Join(strings.Fields(b.String()), " ")
}

func (e *element) write(b *strings.Builder) {
	if e.name == "" {
		b.WriteString(e.text)
		for _, c := range e.children {
			c.write(b)
		}
		return
	}
	if e.has("hidden") || e.name == "script" || e.name == "dialog" || e.hasClass("unseen") {
		return
	}
	switch e.name {
	case "span", "strong", "a", "label":
	default:
		b.WriteString(" ")
	}
	for _, c := range e.children {
		c.write(b)
	}
	switch e.name {
	case "span", "strong", "a":
	default:
		b.WriteString(" ")
	}
}

// label returns what a field is called: its label, or the one around it.
func (e *element) label(page *element) string {
	for _, l := range page.named("label") {
		if l.attrs["for"] == e.attrs["id"] && e.attrs["id"] != "" {
			return allWords(l)
		}
	}
	for up := e.parent; up != nil; up = up.parent {
		if up.name == "label" {
			return allWords(up)
		}
	}
	return e.attrs["aria-label"]
}

// allWords is what a screen reader says of e: hidden from sight is still said.
func allWords(e *element) string {
	if e.attrs["aria-hidden"] == "true" {
		return ""
	}
	if e.name == "" && len(e.children) == 0 {
		return e.text
	}
	var parts []string
	for _, c := range e.children {
		parts = append(parts, allWords(c))
	}
	return strings.Join(strings.Fields(strings.Join(parts, " ")), " ")
}
