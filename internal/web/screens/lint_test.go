package screens

import (
	"slices"
	"strings"
	"testing"
	"unicode"

	"renkei.dev/internal/i18n"
	"renkei.dev/internal/linkage"
)

// everyPage reads every page in every state and language.
func everyPage(t *testing.T, check func(t *testing.T, p shown, l i18n.Language, page *element)) {
	t.Helper()
	s := testScreens(t)
	for _, p := range pages() {
		for _, l := range i18n.Languages {
			t.Run(p.name+"/"+string(l), func(t *testing.T) {
				page, err := readPage(render(s, p, l).Body.String())
				if err != nil {
					t.Fatal(err)
				}
				check(t, p, l, page)
			})
		}
	}
}

func TestEveryPageIsBuiltSoThatEverybodyCanUseIt(t *testing.T) {
	everyPage(t, func(t *testing.T, p shown, l i18n.Language, page *element) {
		if html := page.named("html"); len(html) != 1 || html[0].attrs["lang"] != string(l) {
			t.Error("the language of the page is not said")
		}
		if n := len(page.named("main")); n != 1 {
			t.Errorf("%d main parts", n)
		}
		headings := page.named("h1", "h2", "h3")
		if len(page.named("h1")) != 1 || headings[0].name != "h1" && headings[0].attrs["id"] != "problems-heading" {
			t.Error("the first heading is not the page's only h1")
		}
		title := page.named("title")[0].words()
		if !strings.Contains(title, page.named("h1")[0].words()) {
			t.Errorf("the title %q does not say the heading", title)
		}
		if wrong := len(p.journey.Errors) > 0; wrong != (page.byID("problems") != nil) || wrong != (strings.HasPrefix(title, "エラー：") || strings.HasPrefix(title, "Error: ")) {
			t.Error("errors stand in the summary and the title, and nothing else does")
		}
		ids := map[string]bool{}
		for _, e := range page.all(func(e *element) bool { return e.has("id") }) {
			if ids[e.attrs["id"]] {
				t.Errorf("the id %s stands twice", e.attrs["id"])
			}
			ids[e.attrs["id"]] = true
		}
		for _, e := range page.all(func(*element) bool { return true }) {
			for _, attr := range []string{"aria-describedby", "aria-labelledby", "for"} {
				for id := range strings.FieldsSeq(e.attrs[attr]) {
					if !ids[id] {
						t.Errorf("%s=%q leads nowhere", attr, id)
					}
				}
			}
			if to, ok := strings.CutPrefix(e.attrs["href"], "#"); ok && !ids[to] {
				t.Errorf("the link #%s leads nowhere", to)
			}
			if e.name == "img" && !e.has("alt") {
				t.Error("a picture without words")
			}
			if e.has("placeholder") || e.has("disabled") || e.has("readonly") || e.has("maxlength") {
				t.Errorf("%s has an attribute that leaves people out: %v", e.name, e.attrs)
			}
			if e.name == "th" && !e.has("scope") {
				t.Error("a head of a table without scope")
			}
		}
	})
}

func TestEveryFieldHasALabelAndSaysWhatFillsIt(t *testing.T) {
	tokens := map[string]string{"login_id": "username", "password": "current-password", "answer": "off"}
	everyPage(t, func(t *testing.T, _ shown, _ i18n.Language, page *element) {
		for _, f := range page.named("input") {
			if f.attrs["type"] == "hidden" {
				continue
			}
			if f.label(page) == "" {
				t.Errorf("%v has no label", f.attrs)
			}
			want := tokens[f.attrs["name"]]
			if strings.HasPrefix(f.attrs["name"], "pin-") {
				want = "off"
			}
			if f.attrs["autocomplete"] != want {
				t.Errorf("%s has autocomplete=%q, want %q", f.attrs["name"], f.attrs["autocomplete"], want)
			}
			if f.attrs["type"] == "password" && f.has("value") {
				t.Errorf("%s shows a secret again", f.attrs["name"])
			}
			if (f.attrs["type"] == "radio" || f.attrs["name"] == "accounts") && !within(f, "fieldset") {
				t.Errorf("%s stands in no fieldset", f.attrs["name"])
			}
		}
	})
}

func within(e *element, name string) bool {
	for up := e.parent; up != nil; up = up.parent {
		if up.name == name {
			return true
		}
	}
	return false
}

func TestNoPageHasAnythingInlineOrForeign(t *testing.T) {
	everyPage(t, func(t *testing.T, _ shown, _ i18n.Language, page *element) {
		for _, e := range page.all(func(*element) bool { return true }) {
			if e.name == "style" || e.name == "script" && (allWords(e) != "" || !strings.HasPrefix(e.attrs["src"], "/assets/")) {
				t.Errorf("inline or foreign: %s %v", e.name, e.attrs)
			}
			for attr := range e.attrs {
				if attr == "style" || strings.HasPrefix(attr, "on") {
					t.Errorf("%s has %s", e.name, attr)
				}
			}
			if e.name == "link" && !strings.HasPrefix(e.attrs["href"], "/assets/") {
				t.Errorf("%v is not ours", e.attrs)
			}
			if strings.Contains(strings.Join(slices.Collect(values(e.attrs)), " "), "ZgotmplZ") {
				t.Errorf("the template refused a value of %s", e.name)
			}
		}
	})
}

func values(m map[string]string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

func TestEveryFormCarriesThePressAndStaysWithUs(t *testing.T) {
	everyPage(t, func(t *testing.T, p shown, _ i18n.Language, page *element) {
		for _, f := range page.named("form") {
			if f.has("data-goes") { // the way back to the partner
				continue
			}
			if f.attrs["method"] != "post" || !strings.HasPrefix(f.attrs["action"], base+p.journey.ID.String()+"/") {
				t.Errorf("a form leads to %s", f.attrs["action"])
			}
			carried := false
			for _, i := range f.named("input") {
				carried = carried || i.attrs["name"] == "press" && i.attrs["value"] == p.journey.Press
			}
			if !carried {
				t.Errorf("the form to %s carries no press", f.attrs["action"])
			}
		}
	})
}

func TestEveryPageSaysWhoseItIsAndByWhichNumbersToAskForHelp(t *testing.T) {
	everyPage(t, func(t *testing.T, p shown, _ i18n.Language, page *element) {
		words := page.words()
		for _, want := range []string{"AL-", string(p.journey.Number), p.journey.Partner.Service, p.journey.Partner.RegistrationNumber} {
			if !strings.Contains(words, want) {
				t.Errorf("the page does not say %s", want)
			}
		}
		if hidden := strings.Contains(words, "照会番号"); hidden {
			t.Error("照会番号 would be taken for 照会用暗証番号")
		}
	})
}

// data are the texts of the gallery that are no words of ours: they stay
// Japanese on an English page.
func dataOf(p shown) []string {
	j := p.journey
	list := []string{
		"日本語", j.Company, j.User, j.Partner.Service, j.Partner.Corporation, j.Partner.RegistrationNumber, j.Partner.Contact.Desk,
		j.Partner.ChainedService, holder.Holder, holder.Issuer, "見本 花子", "好きな食べ物は？", "年末年始の休止", "見本信用組合",
	}
	for _, a := range []struct{ branch, memo string }{{first.BranchName, first.Memo}, {second.BranchName, second.Memo}, {third.BranchName, third.Memo}, {fourth.BranchName, fourth.Memo}} {
		list = append(list, a.branch, a.memo)
	}
	slices.SortFunc(list, func(a, b string) int { return len(b) - len(a) })
	return list
}

func TestAnEnglishPageHasNoJapaneseOutsideData(t *testing.T) {
	everyPage(t, func(t *testing.T, p shown, l i18n.Language, page *element) {
		if l != i18n.English {
			return
		}
		words := allWords(page)
		for _, e := range page.all(func(*element) bool { return true }) {
			words += " " + e.attrs["aria-label"] + " " + e.attrs["data-label"] + " " + e.attrs["data-minutes"] + " " + e.attrs["data-show"]
		}
		for _, d := range dataOf(p) {
			if d != "" {
				words = strings.ReplaceAll(words, d, "")
			}
		}
		words = strings.ReplaceAll(words, "●●●●", "")
		for i, r := range words {
			if unicode.In(r, unicode.Hiragana, unicode.Katakana, unicode.Han) || r >= '！' && r <= '～' {
				t.Errorf("Japanese on an English page: …%s", words[i:min(len(words), i+60)])
				break
			}
		}
	})
}

func TestEveryPageOfACauseHasTheStatusOfItsKind(t *testing.T) {
	for code, want := range map[linkage.Code]int{
		901: 403, 902: 403, 903: 403, 904: 403, 905: 403, 910: 403, 911: 403, 912: 403, 913: 403, 914: 403,
		920: 503, 930: 410, 940: 400, 941: 400, 942: 400, 950: 503, 990: 404, 991: 403,
	} {
		s := testScreens(t)
		w := render(s, shown{journey: ended(linkage.Cause{Code: code, Certificate: &holder})}, i18n.Japanese)
		if w.Code != want {
			t.Errorf("AL-%d has status %d, want %d", code, w.Code, want)
		}
		if (w.Header().Get("Retry-After") != "") != (want == 503) {
			t.Errorf("AL-%d: Retry-After belongs to 503 alone", code)
		}
	}
}

func TestEveryFaultOfLinkageHasWordsAtEveryFieldWhereItCanStand(t *testing.T) {
	s := testScreens(t)
	w := s.Look.Words(plainRequest())
	for at := range faultKeys {
		for _, left := range []int{0, 1, 2, -1} {
			if faultWords(w, linkage.FieldError{Field: at.field, Fault: at.fault, Left: left}) == "" {
				t.Errorf("nothing is said of %v", at)
			}
		}
	}
}
