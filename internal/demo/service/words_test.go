package service

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// families are sentences chosen by a word from outside or of the record.
var families = []string{"problem.", "trouble.", "next.", "notice.", "function.", "step.", "stepname."}

func TestEverySentenceIsThereAndUsed(t *testing.T) {
	used := map[string]bool{}
	key := regexp.MustCompile(`T "([a-z.]+)"|T\("([a-z.]+)"|"(wire\.[a-z]+)"`)
	read := func(fsys fs.FS, pattern string) {
		files, err := fs.Glob(fsys, pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, f := range files {
			raw, err := fs.ReadFile(fsys, f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range key.FindAllStringSubmatch(string(raw), -1) {
				used[m[1]+m[2]+m[3]] = true
			}
		}
	}
	read(os.DirFS("."), "templates/*.html")
	read(os.DirFS("."), "pages.go")
	for k := range used {
		if !known(k) && !strings.HasSuffix(k, ".") && k != "" {
			t.Errorf("no words for %s", k)
		}
	}
	for k, p := range sentences {
		family := strings.HasSuffix(k, ".title") || strings.HasPrefix(k, "statement.title.")
		for _, f := range families {
			family = family || strings.HasPrefix(k, f)
		}
		if !used[k] && !family {
			t.Errorf("%s is never used", k)
		}
		if p.ja == "" || p.en == "" || strings.Count(p.ja, "%s") != strings.Count(p.en, "%s") {
			t.Errorf("%s is not the same in both languages", k)
		}
		for _, r := range p.en {
			if unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) {
				t.Errorf("%s has %q in English", k, r)
			}
		}
	}
	for k := range sentences {
		word, ok := strings.CutPrefix(k, "trouble.")
		if ok && word != "code" && word != "home" && word != "retry" && !known("next."+word) {
			t.Errorf("%s does not say what to do next", k)
		}
	}
	for _, step := range []string{"discovery", "par", "authorize", "callback", "token", "refresh", "accounts", "balance", "transactions", "deposits", "revoke"} {
		if !known("step."+step) || !known("stepname."+step) {
			t.Errorf("no explanation of %s", step)
		}
	}
}
