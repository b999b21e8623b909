package audit_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"renkei.dev/internal/audit"
)

// recorded finds the constants of type audit.Name in the whole program.
func recorded(t *testing.T) map[audit.Name]string {
	t.Helper()
	found := map[audit.Name]string{}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) == 0 {
				return true
			}
			if typ, ok := spec.Type.(*ast.SelectorExpr); !ok || typ.Sel.Name != "Name" || fmt.Sprint(typ.X) != "audit" {
				return true
			}
			if lit, ok := spec.Values[0].(*ast.BasicLit); ok {
				if name, err := strconv.Unquote(lit.Value); err == nil {
					found[audit.Name(name)] = path
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestTheListOfActsIsClosed(t *testing.T) {
	for name, path := range recorded(t) {
		if name.Meaning() == "" {
			t.Errorf("%s records %q, which is not in the list of names.go", path, name)
		}
	}
}

func TestEveryActIsDocumentedAndRecordedSomewhere(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	constants := recorded(t)
	rows := regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\| (.+) \\|$").FindAllStringSubmatch(string(page), -1)
	documented := map[audit.Name]bool{}
	for _, r := range rows {
		name := audit.Name(r[1])
		documented[name] = true
		if name.Meaning() != r[2] {
			t.Errorf("audit.md says of %s %q, names.go %q", name, r[2], name.Meaning())
		}
		if constants[name] == "" {
			t.Errorf("nothing records %s", name)
		}
	}
	for name := range constants {
		if !documented[name] {
			t.Errorf("audit.md does not list %s", name)
		}
	}
}
