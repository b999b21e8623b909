package internal

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	// A path in code type counts as named when it begins like one of ours.
	quoted = regexp.MustCompile("`((?:internal|cmd|docs|e2e|\\.ci)/[^`\\s]*|\\./check|README\\.md|LICENSE|NOTICE)`")
	linked = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	head   = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	anchor = regexp.MustCompile(`<a id="([^"]+)">`)
)

func read(t *testing.T, at string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(at)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func exists(at string) bool {
	found, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(at)))
	return err == nil && len(found) > 0
}

// headings returns the anchors that a reader's viewer makes of a page's headings,
// and those it sets itself.
func headings(text string) map[string]bool {
	found := map[string]bool{}
	for _, match := range head.FindAllStringSubmatch(text, -1) {
		slug := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, match[1])
		found[slug] = true
	}
	for _, match := range anchor.FindAllStringSubmatch(text, -1) {
		found[match[1]] = true
	}
	return found
}

func pages(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, at := range texts(t) {
		if path.Ext(at) == ".md" {
			found = append(found, at)
		}
	}
	return found
}

func TestWhatTheDocsNameExists(t *testing.T) {
	for _, page := range pages(t) {
		for _, match := range quoted.FindAllStringSubmatch(read(t, page), -1) {
			named := strings.TrimSuffix(match[1], "/…")
			if !exists(strings.TrimSuffix(named, "/")) {
				t.Errorf("%s names %s, which does not exist", page, match[1])
			}
		}
	}
}

// A line that names tests names their file too, so that a reader finds them.
func TestTheTestsThatDocsNameExist(t *testing.T) {
	file, test := regexp.MustCompile("`([a-z0-9_./]+_test\\.go)`"), regexp.MustCompile("`(Test[A-Z][A-Za-z0-9]+)`")
	for _, page := range pages(t) {
		for line := range strings.Lines(read(t, page)) {
			var code strings.Builder
			for _, match := range file.FindAllStringSubmatch(line, -1) {
				if exists(match[1]) { // or the test above says so
					code.WriteString(read(t, match[1]))
				}
			}
			for _, match := range test.FindAllStringSubmatch(line, -1) {
				if !strings.Contains(code.String(), "\nfunc "+match[1]+"(") {
					t.Errorf("%s names %s, which is in no test file of that line", page, match[1])
				}
			}
		}
	}
}

func TestLinksBetweenDocsArrive(t *testing.T) {
	for _, page := range pages(t) {
		for _, match := range linked.FindAllStringSubmatch(read(t, page), -1) {
			target, fragment, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			to := page
			if target != "" {
				to = path.Join(path.Dir(page), target)
			}
			if !exists(to) {
				t.Errorf("%s links to %s, which does not exist", page, match[1])
				continue
			}
			if fragment != "" && !headings(read(t, to))[fragment] {
				t.Errorf("%s links to %s, but %s has no such anchor", page, match[1], to)
			}
		}
	}
}

func TestDecisionsAreNumberedOnceAndFitOneScreen(t *testing.T) {
	const screen = 60
	seen := map[string]string{}
	for _, page := range pages(t) {
		if path.Dir(page) != "docs/decisions" {
			continue
		}
		number, _, _ := strings.Cut(path.Base(page), "-")
		if other, taken := seen[number]; taken {
			t.Errorf("%s and %s have the same number", page, other)
		}
		seen[number] = page
		if lines := strings.Count(read(t, page), "\n"); lines > screen {
			t.Errorf("%s has %d lines", page, lines)
		}
	}
}
