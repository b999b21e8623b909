package i18n

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
)

func words(t *testing.T, l Language) Words {
	t.Helper()
	c, err := BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	return c.In(l)
}

// sources returns the text of everything that can use a key: our pages and code.
func sources(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") {
			return err
		}
		if ext := filepath.Ext(path); ext != ".go" && ext != ".html" {
			return nil
		}
		text, err := os.ReadFile(path)
		all[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEveryKeyIsUsedAndEveryKeyThatIsUsedIsSaid(t *testing.T) {
	c, err := BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for _, key := range c.Keys() {
		said[key] = true
	}
	quoted := regexp.MustCompile(`"([a-z_0-9]+\.[a-z_0-9]+)"`)
	asked := regexp.MustCompile(`\bT[ (]"([^"]+)"`)
	used := map[string]bool{}
	for path, text := range sources(t) {
		for _, m := range quoted.FindAllStringSubmatch(text, -1) {
			used[m[1]] = true
		}
		if strings.Contains(path, "demo"+string(filepath.Separator)+"service") {
			continue // the demo partners are other companies, with words of their own
		}
		for _, m := range asked.FindAllStringSubmatch(text, -1) {
			if !said[m[1]] {
				t.Errorf("%s wants to say %s, which has no words", path, m[1])
			}
		}
	}
	for key := range said {
		if !used[key] {
			t.Errorf("nobody says %s", key)
		}
	}
}

func TestBothLanguagesNameTheSameFacts(t *testing.T) {
	c, err := BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range c.Keys() {
		ja, en := facts(c.sentences[Japanese][key].text), facts(c.sentences[English][key].text)
		if !subset(en, ja) {
			t.Errorf("%s names facts in English that it does not in Japanese", key)
		}
		if !subset(ja, en) && key != "layout.never_asks" { // English says "we"
			t.Errorf("%s names facts in Japanese that it does not in English", key)
		}
	}
}

func TestEnglishHasNoKanaAndNoKanji(t *testing.T) {
	c, err := BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	for key, sentence := range c.sentences[English] {
		for _, r := range sentence.text {
			if unicode.In(r, unicode.Hiragana, unicode.Katakana, unicode.Han) {
				t.Errorf("%s in English: %s", key, sentence.text)
				break
			}
		}
	}
}

func TestDatesAmountsAndCountsAreWrittenAsPeopleWriteThem(t *testing.T) {
	ja, en := words(t, Japanese), words(t, English)
	moment := time.Date(2026, 11, 24, 5, 5, 0, 0, time.UTC)
	for _, c := range []struct{ got, want string }{
		{ja.DateTime(moment), "2026年11月24日(火) 14:05"},
		{en.DateTime(moment), "Tue 24 November 2026, 14:05 JST"},
		{ja.Date(time.Date(2026, 12, 31, 15, 0, 0, 0, time.UTC)), "2027年1月1日(金)"}, // midnight in Japan
		{ja.Day("2027-02-22"), "2027年2月22日(月)"},
		{ja.Day("soon"), "soon"},
		{ja.Clock(moment), "14:05"},
		{ja.Yen(1234567), "1,234,567円"},
		{ja.Yen(-1234), "▲1,234円"},
		{ja.Yen(0), "0円"},
		{en.Yen(1234567), "¥1,234,567"},
		{en.Yen(-100), "−¥100"},
		{en.Count(1000), "1,000"},
		{ja.List([]string{"甲", "乙"}), "甲、乙"},
		{en.List([]string{"a", "b"}), "a, b"},
		{en.T("fault.wrong_answer", "n", 1), "The answer does not match (1 try left)."},
		{en.T("fault.wrong_answer", "n", 2), "The answer does not match (2 tries left)."},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
}

func TestTheLanguageIsTheOneThatTheBrowserPrefers(t *testing.T) {
	for header, want := range map[string]Language{
		"":                        Japanese,
		"ja":                      Japanese,
		"en-GB,en;q=0.9":          English,
		"fr,en;q=0.5":             English,
		"fr":                      Japanese,
		"en;q=0.4, ja-JP;q=0.9":   Japanese,
		"not a header;;;q=banana": Japanese,
	} {
		if got := Match(header); got != want {
			t.Errorf("%q: got %s, want %s", header, got, want)
		}
	}
	if got := Match("", "en"); got != English {
		t.Errorf("the next wish was not heard: %s", got)
	}
}

func TestAWishIsHeardAlikeEachTimeAndFewAreRemembered(t *testing.T) {
	for n := range 3 * mostWishes {
		wish := fmt.Sprintf("x-%d, en;q=0.%d, ja;q=0.5", n, n%9+1)
		want := Japanese
		if n%9+1 >= 5 { // of equals, the first
			want = English
		}
		for range 2 {
			if got := Match(wish); got != want {
				t.Fatalf("%q: got %s, want %s", wish, got, want)
			}
		}
	}
	count := 0
	heard.Range(func(_, _ any) bool { count++; return true })
	if count > mostWishes {
		t.Errorf("%d wishes are remembered", count)
	}
}

func TestASentencePutsItsFactsWhereTheyStand(t *testing.T) {
	c, err := BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	own, err := c.With("consent.existing_line\n  en: {n}{n:account|accounts} {given}-{given} {functions}\n  ja: {until}\n")
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]string{1: "1account a{n}-a{n} f", 0: "0accounts a{n}-a{n} f"} {
		if got := own.In(English).T("consent.existing_line", "given", "a{n}", "until", "u", "functions", "f", "n", n); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a fact that is missing was left out")
		}
	}()
	own.In(Japanese).T("consent.existing_line", "given", "a")
}

func TestAnInstitutionMaySayThingsInItsOwnWords(t *testing.T) {
	c, err := BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	own, err := c.With("login.button\n  ja: 連携する\n")
	if err != nil {
		t.Fatal(err)
	}
	if got := own.In(Japanese).T("login.button"); got != "連携する" {
		t.Errorf("got %s", got)
	}
	if got := c.In(Japanese).T("login.button"); got != "API連携" {
		t.Errorf("our own words changed: %s", got)
	}
	for _, wrong := range []string{"login.nothing\n  ja: あ\n", "login.button\n  ja: {secret}\n", "login.button\n  de: Verbinden\n", "  ja: あ\n"} {
		if _, err := c.With(wrong); err == nil {
			t.Errorf("%q was taken", wrong)
		}
	}
}
