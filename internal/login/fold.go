package login

import (
	"strings"

	"golang.org/x/text/unicode/norm"
)

// maxID is more than any login id has; what is longer is not sent to the bank.
const maxID = 128

// CleanID returns a typed login id as the bank is asked for it: width and
// composition folded, spaces around it gone. It tells whether it can be one.
func CleanID(typed string) (string, bool) {
	if len(typed) > 4*maxID {
		return "", false
	}
	id := strings.TrimSpace(norm.NFKC.String(typed))
	return id, id != "" && len(id) <= maxID
}

// FoldID returns an id as it is counted: whatever a bank might take for the same
// id counts as one.
func FoldID(id string) string { return strings.ToLower(strings.ReplaceAll(id, " ", "")) }

// Wide tells whether a text holds full-width letters, digits or signs, which are
// easily typed without noticing.
func Wide(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r >= '！' && r <= '～' || r == '　' })
}
