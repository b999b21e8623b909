// Package internal holds the project to its layout: which package may import which,
// and what every file owes its reader. It knows nothing of what the packages do.
// The table below is the one of docs/architecture.md; change both together.
package internal

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "renkei.dev/"

// table lists the packages below internal/, each row allowed to import from the rows
// above it. Packages of one row are strangers to each other, but for a→b: b may
// import a.
const table = `
fault→secret
outbound→pki jose→hsm→hsm/hsmtest i18n web/stencil
audit corebank
partner login
oauth→oauth/oauthtest linkage
store→store/storetest web→web/look corebank/sandbox corebank/banktest
web/protocol web/screens web/accountapi demo/service
config metrics toolbox
attack bench e2e/conformance
app→demo→cmd/renkei
`

// blackBoxes work on a running server from outside, and may know of the inside
// nothing but these.
var blackBoxes = map[string][]string{
	"attack": {"fault", "jose"},
	"bench":  {"jose"},
	// It stands between two strangers, the server and the suite.
	"e2e/conformance": {},
}

// unknown lists what some packages must not know, although the table or the standard
// library would let them.
var unknown = map[string][]string{
	"fault":        {"net/http", "database/sql", "html/template"},
	"secret":       {"net/http", "database/sql", "html/template"},
	"audit":        {"net/http", "database/sql", "html/template"},
	"partner":      {"net/http", "database/sql", "html/template"},
	"login":        {"net/http", "database/sql", "html/template"},
	"oauth":        {"net/http", "database/sql", "html/template"},
	"linkage":      {"net/http", "database/sql", "html/template", module + "internal/jose"},
	"web":          {"database/sql", module + "internal/corebank"},
	"web/look":     {"database/sql", module + "internal/corebank"},
	"web/stencil":  {"net/http", "database/sql", module + "internal/i18n"},
	"web/protocol": {"database/sql", module + "internal/store", module + "internal/linkage", module + "internal/login"},
	"web/screens":  {"database/sql", module + "internal/store", module + "internal/oauth"},
	// The demo's services stand on the other side of the wire, as a partner would.
	"demo/service": {module + "internal/store", module + "internal/oauth", module + "internal/linkage", module + "internal/login", module + "internal/corebank"},
}

// allowed works the table out: for each package the packages it may import.
func allowed() map[string][]string {
	may := map[string][]string{}
	var above []string
	for row := range strings.Lines(strings.TrimSpace(table)) {
		var here []string
		for _, chain := range strings.Fields(row) {
			var before []string
			for _, pkg := range strings.Split(chain, "→") {
				may[pkg] = slices.Concat(above, before)
				before = append(before, pkg)
			}
			here = append(here, before...)
		}
		above = append(above, here...)
	}
	for pkg, known := range blackBoxes {
		may[pkg] = known
	}
	return may
}

// file is one Go file of the tree.
type file struct {
	path   string // from the root, with slashes
	folder string // as the table names its package
	syntax *ast.File
	lines  int
}

func goFiles(t *testing.T) []file {
	t.Helper()
	var files []file
	for _, at := range texts(t) {
		if path.Ext(at) != ".go" {
			continue
		}
		text, err := os.ReadFile(filepath.Join("..", at))
		if err != nil {
			t.Fatal(err)
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), at, text, parser.ParseComments|parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file{at, strings.TrimPrefix(path.Dir(at), "internal/"), syntax, bytes.Count(text, []byte("\n"))})
	}
	return files
}

// texts lists every file of ours that a person wrote, from the root.
func texts(t *testing.T) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir("..", func(at string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		at = filepath.ToSlash(strings.TrimPrefix(at, ".."+string(filepath.Separator)))
		name := entry.Name()
		if entry.IsDir() {
			if name == ".git" || name == "node_modules" || name == "screenshots" || name == "test-results" || name == ".renkei-demo" || name == "bin" {
				return fs.SkipDir
			}
			return nil
		}
		switch path.Ext(name) {
		case ".go", ".md", ".mjs", ".js", ".css", ".html", ".sql", ".txt", ".yaml", ".json", ".svg", ".txtar", "":
			if name != "renkei" && name != "package-lock.json" {
				found = append(found, at)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func isTest(at string) bool { return strings.HasSuffix(at, "_test.go") }

func TestPackagesImportOnlyFromTheRowsAboveTheirOwn(t *testing.T) {
	may := allowed()
	for _, f := range goFiles(t) {
		if f.folder == "internal" {
			continue // this test
		}
		if _, known := may[f.folder]; !known {
			t.Errorf("%s: the table has no row for package %s", f.path, f.folder)
			continue
		}
		for _, spec := range f.syntax.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			if !isTest(f.path) && slices.Contains(unknown[f.folder], imported) {
				t.Errorf("%s: %s must not know %s", f.path, f.folder, imported)
			}
			ours, found := strings.CutPrefix(imported, module+"internal/")
			if !found || ours == f.folder {
				continue
			}
			if strangers(f.folder, ours) {
				t.Errorf("%s: %s and %s are strangers", f.path, f.folder, ours)
			}
			// A test may stand its package on real neighbours, such as the store.
			if !isTest(f.path) && !slices.Contains(may[f.folder], ours) {
				t.Errorf("%s: %s may not import %s", f.path, f.folder, ours)
			}
		}
	}
}

// strangers reports the two engines, which do not meet even in a test.
func strangers(a, b string) bool {
	return a == "oauth" && b == "linkage" || a == "linkage" && b == "oauth"
}

func TestEveryRowOfTheTableIsAPackage(t *testing.T) {
	present := map[string]bool{}
	for _, f := range goFiles(t) {
		present[f.folder] = true
	}
	for pkg := range allowed() {
		if !present[pkg] {
			t.Errorf("the table names %s, which does not exist", pkg)
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	says := map[string]bool{}
	for _, f := range goFiles(t) {
		folder := path.Dir(f.path)
		onlyTests := folder == "internal"
		if !isTest(f.path) || onlyTests {
			says[folder] = says[folder] || f.syntax.Doc != nil
		}
	}
	for folder, said := range says {
		if !said {
			t.Errorf("%s has no package comment", folder)
		}
	}
}

func TestNoPackageRunsCodeBeforeItIsAsked(t *testing.T) {
	for _, f := range goFiles(t) {
		syntax, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", f.path), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, declared := range syntax.Decls {
			if function, is := declared.(*ast.FuncDecl); is && function.Recv == nil && function.Name.Name == "init" {
				t.Errorf("%s has an init function", f.path)
			}
		}
	}
}

func TestNoFileIsLongerThanAReadersPatience(t *testing.T) {
	const limit = 500
	for _, at := range texts(t) {
		switch path.Ext(at) {
		case ".go", ".mjs", ".js", ".css", ".html":
		default:
			continue
		}
		text, err := os.ReadFile(filepath.Join("..", at))
		if err != nil {
			t.Fatal(err)
		}
		if lines := bytes.Count(text, []byte("\n")); lines > limit && !bytes.Contains(text[:min(len(text), 400)], []byte("Code generated")) {
			t.Errorf("%s has %d lines", at, lines)
		}
	}
}

func TestNoFileNamesAPlaceOnSomebodysMachine(t *testing.T) {
	// Spelled in two halves, so that this file is not its own finding.
	places := []string{"/wor" + "k/", "/roo" + "t/", "/hom" + "e/", "/User" + "s/", "/tm" + "p/bash", `C:\Us` + "ers"}
	for _, at := range texts(t) {
		text, err := os.ReadFile(filepath.Join("..", at))
		if err != nil {
			t.Fatal(err)
		}
		for number, line := range strings.Split(string(text), "\n") {
			for _, place := range places {
				if strings.Contains(line, place) {
					t.Errorf("%s:%d names %s", at, number+1, place)
				}
			}
		}
	}
}
