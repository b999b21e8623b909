package screens

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"renkei.dev/internal/i18n"
)

// transcribe writes what a reader sees of a page, a line for each block: # a
// heading, [x] a box, (•) a choice, [____] a field, ‹ › a button.
func transcribe(page *element) string {
	var b strings.Builder
	for _, part := range page.named("main") {
		write(&b, part)
	}
	var lines []string
	for line := range strings.SplitSeq(b.String(), "\n") {
		if line = strings.Trim(strings.Join(strings.Fields(line), " "), "| "); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

func write(b *strings.Builder, e *element) {
	if e.name == "" {
		b.WriteString(strings.ReplaceAll(e.text, "\n", " "))
		for _, c := range e.children {
			write(b, c)
		}
		return
	}
	if e.has("hidden") || e.hasClass("unseen") || e.attrs["type"] == "hidden" {
		return
	}
	before, after := "", ""
	switch e.name {
	case "h1":
		before, after = "\n# ", "\n"
	case "h2":
		before, after = "\n## ", "\n"
	case "p", "li", "div", "section", "form", "legend", "caption", "tr", "summary", "ul", "ol", "dl", "fieldset", "label":
		before, after = "\n", "\n"
	case "dt":
		after = ": "
	case "td", "th":
		after = " | "
	case "span", "strong":
		after = " "
	case "br":
		before = " / "
	case "button":
		before, after = " ‹", "› "
	case "a":
		if e.hasClass("button") {
			before, after = " ‹", "› "
		}
	case "input":
		before = field(e)
	}
	if e.name == "td" || e.name == "th" || inRow(e) {
		before, after = strings.ReplaceAll(before, "\n", " "), strings.ReplaceAll(after, "\n", " ")
	}
	b.WriteString(before)
	for _, c := range e.children {
		write(b, c)
	}
	b.WriteString(after)
}

func inRow(e *element) bool { return within(e, "tr") || within(e, "li") || within(e, "dd") }

func field(e *element) string {
	switch e.attrs["type"] {
	case "checkbox":
		if e.has("checked") {
			return "[x] "
		}
		return "[ ] "
	case "radio":
		if e.has("checked") {
			return "(•) "
		}
		return "( ) "
	}
	return " [" + e.attrs["value"] + "____] "
}

// changing is what differs from journey to journey: its numbers, and which of
// the user's questions is asked.
var changing = regexp.MustCompile(`cns_[a-z0-9]+|\d{4}-\d{4}-\d{4}|(?m:^(質問|Question): .*$)`)

func TestTheWholeJourneyReadsAsItDidBefore(t *testing.T) {
	buttons := map[i18n.Language][]string{
		i18n.Japanese: {"API連携", "認証", "次へ", "登録", "照会用暗証番号の追加登録", "確定", "許可"},
		i18n.English:  {"Link by API", "Authenticate", "Next", "Register", "Register more inquiry PINs", "Confirm", "Allow"},
	}
	for _, l := range i18n.Languages {
		t.Run(string(l), func(t *testing.T) {
			b := newHouse(t).browser(t, l)
			var told strings.Builder
			press := func(n int, filled ...string) {
				t.Helper()
				if n >= 0 {
					fmt.Fprintf(&told, "→ ‹%s›\n", buttons[l][n])
					b.press(buttons[l][n], filled...)
				}
				fmt.Fprintf(&told, "\n=== %s %d\n%s", b.at[strings.LastIndex(b.at, "/")+1:], b.status, changing.ReplaceAllString(transcribe(b.page), "…"))
			}
			b.open("/authorize")
			press(-1)
			press(0, "login_id", "all.steps", "password", "wrong")
			press(0, "login_id", "all.steps", "password", "demo-all-steps-2468")
			press(1, "answer", "シラタマ")
			press(2)
			press(3, "pin-001-1-1001401", "２４０１", "pin-002-1-1001402", "9999")
			press(4)
			press(3, "pin-002-1-1001402", "2402")
			press(5)
			press(6)
			press(6, "intent", "proceed")
			if b.stands("handover", "AL-510", 200); t.Failed() {
				return
			}
			golden := filepath.Join("testdata", "transcript."+string(l)+".txt")
			if *update {
				must(t, os.WriteFile(golden, []byte(told.String()), 0o644))
			}
			want, err := os.ReadFile(golden)
			must(t, err)
			if string(want) != told.String() {
				t.Errorf("the journey differs from %s (run with -update and read the diff):\n%s", golden, told.String())
			}
		})
	}
}
