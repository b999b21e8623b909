// Package i18n is the words of all pages in Japanese, the source, and English,
// and the ways to write a date, an amount and a count in either.
//
// It knows no page and no bank: keys are named after the pages that use them,
// and what a sentence is about comes in as facts. The words stand in words/, a
// file for each page, both languages side by side; start there.
package i18n

import (
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"strings"

	"golang.org/x/text/language"

	"renkei.dev/internal/fault"
)

//go:embed words/*.txt
var builtIn embed.FS

// Language is a language that pages are written in.
type Language string

// The languages.
const (
	Japanese Language = "ja"
	English  Language = "en"
)

// Languages lists all languages, the source first.
var Languages = []Language{Japanese, English}

// Parse returns the language that a word from outside names exactly.
func Parse(word string) (Language, bool) {
	for _, l := range Languages {
		if string(l) == word {
			return l, true
		}
	}
	return "", false
}

var matcher = language.NewMatcher([]language.Tag{language.Japanese, language.English})

// Match returns the language that fits wishes best, each in the form of an
// Accept-Language header and the most important first; Japanese when none does.
func Match(wishes ...string) Language {
	for _, wish := range wishes {
		tags, _, err := language.ParseAcceptLanguage(wish)
		if err != nil || len(tags) == 0 {
			continue
		}
		if _, i, sure := matcher.Match(tags...); sure > language.No {
			return Languages[i]
		}
	}
	return Japanese
}

// Catalogue is every sentence in every language.
type Catalogue struct {
	sentences map[Language]map[string]string
}

// BuiltIn returns our own words. It fails only for a fault in words/.
func BuiltIn() (*Catalogue, error) {
	c := &Catalogue{map[Language]map[string]string{}}
	for _, l := range Languages {
		c.sentences[l] = map[string]string{}
	}
	files, err := fs.Glob(builtIn, "words/*.txt")
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "list the words", err)
	}
	for _, name := range files {
		text, err := builtIn.ReadFile(name)
		if err != nil {
			return nil, fault.Wrap(fault.Internal, "read "+name, err)
		}
		if err := c.read(name, string(text), false); err != nil {
			return nil, err
		}
	}
	for key := range c.sentences[Japanese] {
		if _, ok := c.sentences[English][key]; !ok {
			return nil, fault.New(fault.Internal, "%s is not said in English", key)
		}
	}
	return c, nil
}

// With returns the catalogue with some sentences in an institution's own words,
// in the form of the files of words/. A key that we do not have, or a fact that
// our sentence does not name, is fault.Invalid.
func (c *Catalogue) With(text string) (*Catalogue, error) {
	own := &Catalogue{map[Language]map[string]string{}}
	for l, s := range c.sentences {
		own.sentences[l] = maps.Clone(s)
	}
	return own, own.read("words.txt", text, true)
}

// read takes the lines of a file: a key, then "ja: …" and "en: …" indented;
// empty lines and those that begin with # say nothing.
func (c *Catalogue) read(name, text string, over bool) error {
	key := ""
	for n, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		wrong := func(why string) error { return fault.New(fault.Invalid, "%s:%d: %s: %s", name, n+1, trimmed, why) }
		switch {
		case trimmed == "" || strings.HasPrefix(trimmed, "#"):
		case line == trimmed:
			key = trimmed
		default:
			word, sentence, ok := strings.Cut(trimmed, ":")
			l, known := Parse(word)
			sentence = strings.TrimSpace(sentence)
			if !ok || !known || key == "" || sentence == "" {
				return wrong("is neither a key nor a sentence")
			}
			ours, there := c.sentences[l][key]
			switch {
			case over && !there:
				return wrong(key + " is no sentence of ours")
			case !over && there:
				return wrong(key + " is said twice")
			case over && !subset(facts(sentence), facts(ours)):
				return wrong("names a fact that our sentence does not")
			}
			c.sentences[l][key] = sentence
		}
	}
	return nil
}

// Keys returns all keys.
func (c *Catalogue) Keys() []string {
	keys := make([]string, 0, len(c.sentences[Japanese]))
	for key := range c.sentences[Japanese] {
		keys = append(keys, key)
	}
	return keys
}

// In returns the words of one language.
func (c *Catalogue) In(l Language) Words { return Words{l, c} }

// Words says things in one language.
type Words struct {
	language  Language
	catalogue *Catalogue
}

// Language returns the language.
func (w Words) Language() Language { return w.language }

// InJapanese tells whether the language is the source.
func (w Words) InJapanese() bool { return w.language == Japanese }

// T returns the sentence of key with its facts put in, which come as pairs of
// name and value. {n:try|tries} is the first word when fact n is 1, else the
// second. A key or fact that is missing panics: it is our own mistake, and the
// gallery test shows every sentence.
func (w Words) T(key string, pairs ...any) string {
	sentence, ok := w.catalogue.sentences[w.language][key]
	if !ok {
		panic("no words for " + key)
	}
	if !strings.Contains(sentence, "{") {
		return sentence
	}
	var out strings.Builder
	for {
		before, rest, ok := strings.Cut(sentence, "{")
		out.WriteString(before)
		if !ok {
			return out.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		name, forms, counted := strings.Cut(name, ":")
		value, ok := given(pairs, name)
		if !ok {
			panic(key + " wants to know " + name)
		}
		if counted {
			one, more, _ := strings.Cut(forms, "|")
			if value == "1" {
				value = one
			} else {
				value = more
			}
		}
		out.WriteString(value)
		sentence = after
	}
}

// given finds the fact of a name among a few pairs.
func given(pairs []any, name string) (string, bool) {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i] != name {
			continue
		}
		if said, ok := pairs[i+1].(string); ok {
			return said, true
		}
		return fmt.Sprint(pairs[i+1]), true
	}
	return "", false
}

// Plain returns the sentence of key; false for one that wants facts, or none.
func (w Words) Plain(key string) (string, bool) {
	said, ok := w.catalogue.sentences[w.language][key]
	return said, ok && !strings.Contains(said, "{")
}

// facts returns the names that a sentence asks for.
func facts(sentence string) map[string]bool {
	names := map[string]bool{}
	for part := range strings.SplitSeq(sentence, "{") {
		if inside, _, ok := strings.Cut(part, "}"); ok {
			name, _, _ := strings.Cut(inside, ":")
			names[name] = true
		}
	}
	return names
}

func subset(a, b map[string]bool) bool {
	for name := range a {
		if !b[name] {
			return false
		}
	}
	return true
}
