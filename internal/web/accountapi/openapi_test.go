package accountapi_test

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/web/accountapi"
)

// description is docs/openapi/account-api.yaml, read as far as it is used there.
type description struct {
	Paths map[string]map[string]struct {
		Parameters []struct {
			Ref string `yaml:"$ref"`
		} `yaml:"parameters"`
		Responses map[string]struct {
			Ref     string `yaml:"$ref"`
			Content map[string]struct {
				Schema schema `yaml:"schema"`
			} `yaml:"content"`
		} `yaml:"responses"`
	} `yaml:"paths"`
	Components struct {
		Parameters map[string]struct {
			Name string `yaml:"name"`
			In   string `yaml:"in"`
		} `yaml:"parameters"`
		Schemas map[string]schema `yaml:"schemas"`
	} `yaml:"components"`
}

// schema is the part of JSON Schema that the description uses; another keyword
// in it fails the test.
type schema struct {
	Ref         string            `yaml:"$ref"`
	Type        string            `yaml:"type"`
	Description string            `yaml:"description"`
	Pattern     string            `yaml:"pattern"`
	Enum        []string          `yaml:"enum"`
	Required    []string          `yaml:"required"`
	Additional  *bool             `yaml:"additionalProperties"`
	Properties  map[string]schema `yaml:"properties"`
	Items       *schema           `yaml:"items"`
}

func readDescription(t *testing.T) description {
	t.Helper()
	raw, err := os.ReadFile("../../../docs/openapi/account-api.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var d description
	if err := yaml.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// faults returns where a value is not what the schema says.
func (d description) faults(at string, s schema, v any) []string {
	if s.Ref != "" {
		return d.faults(at, d.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")], v)
	}
	var all []string
	switch s.Type {
	case "object":
		fields, ok := v.(map[string]any)
		if !ok || s.Additional == nil || *s.Additional {
			return []string{at + " is no closed object"}
		}
		for _, name := range s.Required {
			if _, there := fields[name]; !there {
				all = append(all, at+"."+name+" is missing")
			}
		}
		for name, field := range fields {
			if inner, known := s.Properties[name]; known {
				all = append(all, d.faults(at+"."+name, inner, field)...)
			} else {
				all = append(all, at+"."+name+" is not described")
			}
		}
	case "array":
		items, ok := v.([]any)
		if !ok {
			return []string{at + " is no array"}
		}
		for i, item := range items {
			all = append(all, d.faults(fmt.Sprintf("%s[%d]", at, i), *s.Items, item)...)
		}
	case "string":
		text, ok := v.(string)
		if !ok || s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(text) || len(s.Enum) > 0 && !slices.Contains(s.Enum, text) {
			all = append(all, fmt.Sprintf("%s is %v", at, v))
		}
	case "integer":
		if n, ok := v.(float64); !ok || n != float64(int64(n)) {
			all = append(all, fmt.Sprintf("%s is %v", at, v))
		}
	case "boolean":
		if _, ok := v.(bool); !ok {
			all = append(all, fmt.Sprintf("%s is %v", at, v))
		}
	default:
		all = append(all, at+" has the type "+s.Type)
	}
	return all
}

func TestTheDescriptionSaysWhatTheAPIAnswers(t *testing.T) {
	d, doc := newDesk(t), readDescription(t)
	for _, login := range []corebank.LoginID{"ok.pw", "closing.account"} {
		d.register(login, linkage.Registered, right)
	}
	for path, methods := range doc.Paths {
		operation, ok := methods["get"]
		if !ok || len(methods) != 1 {
			t.Errorf("%s: methods %v", path, methods)
		}
		query := "?"
		for _, p := range operation.Parameters {
			if named := doc.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]; named.In == "query" {
				query += map[string]string{"dateFrom": "dateFrom=2026-05-01&", "dateTo": "dateTo=2026-11-20&", "limit": "limit=200&", "cursor": ""}[named.Name]
			}
		}
		right := operation.Responses["200"].Content["application/json"].Schema
		token := "ok.pw"
		if path == base+"partner" {
			token = ownToken
		}
		a := d.get(token, strings.ReplaceAll(path, "{accountId}", d.account("ok.pw", 0))+query)
		if a.status != http.StatusOK {
			t.Errorf("%s: %d %v", path, a.status, a.body)
			continue
		}
		for _, f := range doc.faults(path, right, a.body) {
			t.Error(f)
		}
		a = d.get("ok.pw", path+"?none=such")
		for _, f := range doc.faults(path+" refused", doc.Components.Schemas["Problem"], a.body) {
			t.Error(f)
		}
	}
	if len(doc.Paths) != len(accountapi.Paths()) {
		t.Errorf("%d paths are described", len(doc.Paths))
	}
	for _, path := range accountapi.Paths() {
		if _, ok := doc.Paths[path]; !ok {
			t.Errorf("%s is not described", path)
		}
	}
	for _, f := range doc.faults("accounts", doc.Components.Schemas["AccountList"], d.get("closing.account", base+"accounts").body) {
		t.Error(f)
	}
}

func TestTheDescriptionNamesEveryCode(t *testing.T) {
	described := readDescription(t).Components.Schemas["Problem"].Properties["code"].Enum
	slices.Sort(described)
	if codes := accountapi.Codes(); !slices.Equal(codes, described) {
		t.Errorf("the catalogue has %v\nthe description %v", codes, described)
	}
}
