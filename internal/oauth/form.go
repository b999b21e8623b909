package oauth

import (
	"net/url"
	"strings"
)

// Limits of a form (protocol.md §4 item 12).
const (
	MaxFormBytes  = 64 << 10
	maxParameters = 64
)

// Form is the parameters of one request, each name once (RFC 6749 §3.1), except
// resource (RFC 8707 §2).
type Form struct{ values map[string][]string }

// ParseForm reads an application/x-www-form-urlencoded text. Errors: a Failure
// with invalid_request for a parameter twice, too many, or a broken encoding.
func ParseForm(text string) (Form, error) {
	f := Form{values: map[string][]string{}}
	if len(text) > MaxFormBytes || strings.Count(text, "&") >= maxParameters {
		return Form{}, fail(InvalidRequest, "request is too large")
	}
	for pair := range strings.SplitSeq(text, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil || strings.Contains(pair, ";") {
			return Form{}, fail(InvalidRequest, "malformed form")
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return Form{}, fail(InvalidRequest, "malformed form")
		}
		if len(f.values[name]) > 0 && name != "resource" {
			return Form{}, fail(InvalidRequest, "parameter given twice")
		}
		f.values[name] = append(f.values[name], value)
	}
	return f, nil
}

// Get returns a parameter; one without a value counts as absent (RFC 6749 §3.1).
func (f Form) Get(name string) string {
	if v := f.values[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// All returns every value of a parameter.
func (f Form) All(name string) []string { return f.values[name] }

// Has tells whether the parameter was sent with a value.
func (f Form) Has(name string) bool { return f.Get(name) != "" }
