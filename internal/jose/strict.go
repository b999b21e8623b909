package jose

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"renkei.dev/internal/fault"
)

const maxDepth = 24

// members reads a JSON object and gives each of its members to visit, in order.
// It refuses what readers could take two ways: a member twice in any object
// (compared without case, since encoding/json finds fields so), text that is not
// UTF-8, anything after the object, and more nesting than anyone needs.
func members(what string, raw []byte, visit func(name string, value json.RawMessage)) error {
	r := reader{raw: raw}
	if !utf8.Valid(raw) || !r.object(0, visit) || r.skipSpace() != 0 {
		return fault.New(fault.Invalid, "%s is not an unambiguous JSON object", what)
	}
	return nil
}

type reader struct {
	raw []byte
	at  int
}

// skipSpace returns the next byte that is not space, 0 at the end.
func (r *reader) skipSpace() byte {
	for r.at < len(r.raw) {
		switch c := r.raw[r.at]; c {
		case ' ', '\t', '\r', '\n':
			r.at++
		case 0:
			return 1 // a NUL byte is no end
		default:
			return c
		}
	}
	return 0
}

func (r *reader) take(c byte) bool {
	if r.skipSpace() != c {
		return false
	}
	r.at++
	return true
}

func (r *reader) object(depth int, visit func(string, json.RawMessage)) bool {
	if depth > maxDepth || !r.take('{') {
		return false
	}
	if r.take('}') {
		return true
	}
	var few [12]string
	seen := few[:0]
	var many map[string]struct{} // from the 13th member on, so that a wide object costs no square
	for {
		name, ok := r.text()
		if !ok || !r.take(':') {
			return false
		}
		folded := strings.ToLower(name)
		if many != nil {
			if _, twice := many[folded]; twice {
				return false
			}
			many[folded] = struct{}{}
		} else {
			for _, s := range seen {
				if s == folded {
					return false
				}
			}
			if seen = append(seen, folded); len(seen) == len(few) {
				many = make(map[string]struct{}, 2*len(few))
				for _, s := range seen {
					many[s] = struct{}{}
				}
			}
		}
		r.skipSpace()
		start := r.at
		if !r.value(depth + 1) {
			return false
		}
		if visit != nil {
			visit(name, json.RawMessage(r.raw[start:r.at]))
		}
		if r.take('}') {
			return true
		}
		if !r.take(',') {
			return false
		}
	}
}

func (r *reader) array(depth int) bool {
	if depth > maxDepth || !r.take('[') {
		return false
	}
	if r.take(']') {
		return true
	}
	for {
		if !r.value(depth + 1) {
			return false
		}
		if r.take(']') {
			return true
		}
		if !r.take(',') {
			return false
		}
	}
}

func (r *reader) value(depth int) bool {
	switch c := r.skipSpace(); {
	case c == '{':
		return r.object(depth, nil)
	case c == '[':
		return r.array(depth)
	case c == '"':
		raw, escaped, ok := r.quoted()
		return ok && (!escaped || json.Valid(raw))
	default:
		start := r.at
		for r.at < len(r.raw) && strings.IndexByte(" \t\r\n,]}", r.raw[r.at]) < 0 {
			r.at++
		}
		return start < r.at && json.Valid(r.raw[start:r.at]) // a number or literal
	}
}

// text reads a JSON string; one without escapes costs no decoder.
func (r *reader) text() (string, bool) {
	raw, escaped, ok := r.quoted()
	switch {
	case !ok:
		return "", false
	case !escaped:
		return string(raw[1 : len(raw)-1]), true
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}

// quoted finds the end of a JSON string, whose escapes may be wrong still.
func (r *reader) quoted() (raw []byte, escaped, ok bool) {
	if !r.take('"') {
		return nil, false, false
	}
	for start := r.at - 1; r.at < len(r.raw); r.at++ {
		switch c := r.raw[r.at]; {
		case c == '"':
			r.at++
			return r.raw[start:r.at], escaped, true
		case c == '\\':
			escaped = true
			r.at++
		case c < 0x20:
			return nil, false, false
		}
	}
	return nil, false, false
}

// Members gives each member of a token's payload to visit, in order; the values are
// JSON. It refuses what readers could take two ways.
func Members(payload []byte, visit func(name string, value json.RawMessage)) error {
	return members("a token's payload", payload, visit)
}

// Text returns a member's value when it is a string.
func Text(value json.RawMessage) (string, bool) {
	r := reader{raw: value}
	s, ok := r.text()
	return s, ok && r.at == len(value)
}
