// Package secret holds what must not be seen: values that never print, typed
// digests of them, constant-time comparison, and the sealing of columns.
//
// It knows nothing of what the secrets are for. `grep Reveal` lists every place
// where one is exposed. Start with Value, then Digest, then Box.
package secret

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"log/slog"
)

const mask = "[secret]"

// Value is a text that never prints: not by any verb of fmt, not as JSON, not
// in a log. Its text sits behind a pointer because %v of an outer struct reads
// plain strings even from unexported fields. The zero Value is empty.
type Value struct{ text *string }

// Of returns text as a Value.
func Of(text string) Value { return Value{&text} }

// Random returns a new Value of n random bytes, base64url without padding.
func Random(n int) Value {
	b := make([]byte, n)
	rand.Read(b) // never fails since Go 1.24
	return Of(base64.RawURLEncoding.EncodeToString(b))
}

// Reveal returns the text itself. Every call is an exposure to be justified.
func (v Value) Reveal() string {
	if v.text == nil {
		return ""
	}
	return *v.text
}

// IsEmpty tells whether there is no text.
func (v Value) IsEmpty() bool { return v.text == nil || *v.text == "" }

// Equal compares in a time that depends only on the lengths.
func (v Value) Equal(w Value) bool {
	return subtle.ConstantTimeCompare([]byte(v.Reveal()), []byte(w.Reveal())) == 1
}

// String returns a mask.
func (Value) String() string { return mask }

// GoString returns a mask.
func (Value) GoString() string { return mask }

// Format writes a mask for every verb.
func (Value) Format(f fmt.State, _ rune) { fmt.Fprint(f, mask) }

// LogValue returns a mask.
func (Value) LogValue() slog.Value { return slog.StringValue(mask) }

// MarshalText returns a mask, so that no encoder writes the text.
func (Value) MarshalText() ([]byte, error) { return []byte(mask), nil }
