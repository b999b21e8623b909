package audit

import (
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"renkei.dev/internal/fault"
)

// Check tells whether an act may be recorded: it has a name of the list and an
// outcome, and a reason unless it was done. Anything else is a bug of ours,
// fault.Internal.
func (a Act) Check() error {
	switch {
	case a.Name == "":
		return fault.New(fault.Internal, "an act without a name")
	case a.Outcome != Done && a.Outcome != Denied && a.Outcome != Failed:
		return fault.New(fault.Internal, "act %s has no outcome", a.Name)
	case a.Outcome != Done && a.Reason == "":
		return fault.New(fault.Internal, "act %s was %s without a reason", a.Name, a.Outcome)
	case a.Actor.Kind == "":
		return fault.New(fault.Internal, "act %s has no actor", a.Name)
	}
	return nil
}

// canonical returns the act, with where and under which number it is kept, as
// canonical JSON (RFC 8785): members in order, no spaces, the shortest escapes,
// empty members left out. The same act always gives the same bytes; they are
// what is stored and what is proved.
func (a Act) canonical(seq int64, institution string) []byte {
	b := make([]byte, 0, 512)
	b = append(b, `{"actor":{`...)
	if a.Actor.Company != "" {
		b = append(appendString(append(b, `"company":`...), a.Actor.Company), ',')
	}
	if a.Actor.ID != "" {
		b = append(appendString(append(b, `"id":`...), a.Actor.ID), ',')
	}
	b = append(appendString(append(b, `"kind":`...), string(a.Actor.Kind)), '}')
	b = appendMember(b, "address", a.Address)
	b = appendMember(b, "at", a.At.UTC().Format(timeLayout))
	if len(a.Detail) > 0 {
		b = append(b, `,"detail":{`...)
		for i, key := range slices.Sorted(maps.Keys(a.Detail)) { // by bytes: keys are ASCII
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, key), ':')
			b = appendString(b, a.Detail[key])
		}
		b = append(b, '}')
	}
	b = appendMember(b, "institution", institution)
	b = appendMember(b, "journey", a.Journey)
	b = appendMember(b, "name", string(a.Name))
	b = appendMember(b, "object", a.Object)
	b = appendMember(b, "outcome", string(a.Outcome))
	b = appendMember(b, "partner", a.Partner)
	b = appendMember(b, "reason", a.Reason)
	b = strconv.AppendInt(append(b, `,"seq":"`...), seq, 10) // a text: a number of JSON holds 53 bits
	return append(b, `"}`...)
}

// timeLayout has a fixed number of digits, so that times sort as texts.
const timeLayout = "2006-01-02T15:04:05.000000Z"

func appendMember(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendString(append(append(append(b, ',', '"'), name...), '"', ':'), value)
}

// appendString writes s as RFC 8785 §3.2.2.2 wants it. What is not UTF-8
// becomes U+FFFD, as does NUL, which not every database keeps in a text.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r)
			i += n
			continue
		}
		i++
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c >= ' ':
			b = append(b, c)
		case c == '\b':
			b = append(b, '\\', 'b')
		case c == '\t':
			b = append(b, '\\', 't')
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\f':
			b = append(b, '\\', 'f')
		case c == '\r':
			b = append(b, '\\', 'r')
		case c == 0:
			b = utf8.AppendRune(b, utf8.RuneError)
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(b, '"')
}
