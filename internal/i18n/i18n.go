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
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

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

// Browsers send few wishes, and all of them all the time. What is remembered is
// bounded, since anybody may send others.
const (
	longestWish = 64 // bytes
	mostWishes  = 256
)

// heard are the languages of wishes, empty for those that none of ours fits.
var (
	heard      sync.Map // of a string: a Language
	heardCount atomic.Int32
)

// Match returns the language that fits wishes best, each in the form of an
// Accept-Language header and the most important first; Japanese when none does.
func Match(wishes ...string) Language {
	for _, wish := range wishes {
		if wish == "" {
			continue
		}
		known, ok := heard.Load(wish)
		if !ok {
			known = match(wish)
			if len(wish) <= longestWish && heardCount.Load() < mostWishes {
				heardCount.Add(1)
				heard.Store(strings.Clone(wish), known)
			}
		}
		if l := known.(Language); l != "" {
			return l
		}
	}
	return Japanese
}

// match returns the language of one wish; empty: it wishes for none of ours.
func match(wish string) Language {
	tags, _, err := language.ParseAcceptLanguage(wish)
	if err != nil || len(tags) == 0 {
		return ""
	}
	if _, i, sure := matcher.Match(tags...); sure > language.No {
		return Languages[i]
	}
	return ""
}

// Catalogue is every sentence in every language.
type Catalogue struct {
	sentences map[Language]map[string]sentence
}

// sentence is a sentence, and what it is put together from if it names facts.
type sentence struct {
	text   string
	pieces []piece
}

// piece is words and the fact behind them; the last has none.
type piece struct {
	before    string
	fact      string
	counted   bool // one or more stands for the fact, not the fact itself
	one, more string
}

func cut(text string) sentence {
	s := sentence{text: text}
	if !strings.Contains(text, "{") {
		return s
	}
	for rest, more := text, true; more; {
		var p piece
		var inside string
		if p.before, rest, more = strings.Cut(rest, "{"); more {
			inside, rest, _ = strings.Cut(rest, "}")
			var forms string
			p.fact, forms, p.counted = strings.Cut(inside, ":")
			p.one, p.more, _ = strings.Cut(forms, "|")
		}
		s.pieces = append(s.pieces, p)
	}
	return s
}

// BuiltIn returns our own words. It fails only for a fault in words/.
func BuiltIn() (*Catalogue, error) {
	c := &Catalogue{map[Language]map[string]sentence{}}
	for _, l := range Languages {
		c.sentences[l] = map[string]sentence{}
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
	own := &Catalogue{map[Language]map[string]sentence{}}
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
			word, said, ok := strings.Cut(trimmed, ":")
			l, known := Parse(word)
			said = strings.TrimSpace(said)
			if !ok || !known || key == "" || said == "" {
				return wrong("is neither a key nor a sentence")
			}
			ours, there := c.sentences[l][key]
			switch {
			case over && !there:
				return wrong(key + " is no sentence of ours")
			case !over && there:
				return wrong(key + " is said twice")
			case over && !subset(facts(said), facts(ours.text)):
				return wrong("names a fact that our sentence does not")
			}
			c.sentences[l][key] = cut(said)
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
func (c *Catalogue) In(l Language) Words { return Words{l, c.sentences[l]} }

// Words says things in one language.
type Words struct {
	language  Language
	sentences map[string]sentence
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
	s, ok := w.sentences[key]
	if !ok {
		panic("no words for " + key)
	}
	if s.pieces == nil {
		return s.text
	}
	var room [512]byte // for nearly every sentence
	out := room[:0]
	for i, p := range s.pieces {
		out = append(out, p.before...)
		if i == len(s.pieces)-1 {
			break
		}
		value, ok := given(pairs, p.fact)
		switch {
		case !ok:
			panic(key + " wants to know " + p.fact)
		case !p.counted:
			out = append(out, value...)
		case value == "1":
			out = append(out, p.one...)
		default:
			out = append(out, p.more...)
		}
	}
	return string(out)
}

// given finds the fact of a name among a few pairs.
func given(pairs []any, name string) (string, bool) {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i] != name {
			continue
		}
		switch said := pairs[i+1].(type) {
		case string:
			return said, true
		case int:
			return strconv.Itoa(said), true
		}
		return fmt.Sprint(pairs[i+1]), true
	}
	return "", false
}

// Plain returns the sentence of key; false for one that wants facts, or none.
func (w Words) Plain(key string) (string, bool) {
	s, ok := w.sentences[key]
	return s.text, ok && s.pieces == nil
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
