package oauth

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"strings"

	"renkei.dev/internal/fault"
)

// attributeTypes are the names of RFC 4514 §3 and those that partners' CAs use.
var attributeTypes = map[string]asn1.ObjectIdentifier{
	"CN": {2, 5, 4, 3}, "SERIALNUMBER": {2, 5, 4, 5}, "C": {2, 5, 4, 6}, "L": {2, 5, 4, 7}, "ST": {2, 5, 4, 8},
	"STREET": {2, 5, 4, 9}, "O": {2, 5, 4, 10}, "OU": {2, 5, 4, 11}, "BUSINESSCATEGORY": {2, 5, 4, 15},
	"ORGANIZATIONIDENTIFIER": {2, 5, 4, 97}, "DC": {0, 9, 2342, 19200300, 100, 1, 25}, "UID": {0, 9, 2342, 19200300, 100, 1, 1},
	"EMAILADDRESS": {1, 2, 840, 113549, 1, 9, 1},
}

// rdn is a set of attributes as canonical texts "oid=value".
type rdn map[string]bool

// parseDN reads a distinguished name as RFC 4514 writes it, the last component
// first in the certificate's order.
func parseDN(text string) ([]rdn, error) {
	var out []rdn
	current := rdn{}
	rest := text
	for {
		name, after, ok := strings.Cut(rest, "=")
		if !ok {
			return nil, fault.New(fault.Invalid, "a component without =")
		}
		id, err := attributeID(strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		value, stop, tail, err := attributeValue(after)
		if err != nil {
			return nil, err
		}
		current[id+"="+fold(value)] = true
		if stop != '+' {
			out = append(out, current)
			current = rdn{}
		}
		if stop == 0 {
			return out, nil
		}
		rest = tail
	}
}

func attributeID(name string) (string, error) {
	if oid, ok := attributeTypes[strings.ToUpper(name)]; ok {
		return oid.String(), nil
	}
	dotted := strings.TrimPrefix(strings.ToUpper(name), "OID.")
	if dotted == "" || strings.ContainsFunc(dotted, func(r rune) bool { return r != '.' && (r < '0' || r > '9') }) {
		return "", fault.New(fault.Invalid, "an unknown attribute")
	}
	return dotted, nil
}

// attributeValue reads up to an unescaped , ; or + and returns which it was.
func attributeValue(s string) (value string, stop byte, tail string, err error) {
	s = strings.TrimLeft(s, " ")
	if strings.HasPrefix(s, "#") {
		return "", 0, "", fault.New(fault.Invalid, "a value in hexadecimal BER")
	}
	var b strings.Builder
	kept := 0 // up to here escaped spaces keep what is trimmed
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case ',', ';', '+':
			return trimValue(b.String(), kept), c, s[i+1:], nil
		case '\\':
			if i+1 == len(s) {
				return "", 0, "", fault.New(fault.Invalid, "an escape without character")
			}
			if raw, err := hex.DecodeString(s[i+1 : min(i+3, len(s))]); err == nil && len(raw) == 1 {
				b.WriteByte(raw[0])
				i += 2
			} else {
				b.WriteByte(s[i+1])
				i++
			}
			kept = b.Len()
		case '"', '<', '>', 0:
			return "", 0, "", fault.New(fault.Invalid, "a character that must be escaped")
		default:
			b.WriteByte(c)
		}
	}
	return trimValue(b.String(), kept), 0, "", nil
}

func trimValue(s string, kept int) string { return s[:kept] + strings.TrimRight(s[kept:], " ") }

// fold compares as caseIgnoreMatch does (RFC 4518), as far as names of
// certificates need it: case and runs of spaces do not matter.
func fold(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }

// subjectIs tells whether a certificate's subject is the registered name, over
// parsed components (RFC 8705 §2.1.2), never over a text that a proxy wrote.
func subjectIs(c *x509.Certificate, registered string) bool {
	want, err := parseDN(registered)
	if err != nil {
		return false
	}
	var sequence pkix.RDNSequence
	if rest, err := asn1.Unmarshal(c.RawSubject, &sequence); err != nil || len(rest) > 0 || len(sequence) != len(want) {
		return false
	}
	for n, set := range sequence {
		expected := want[len(want)-1-n] // RFC 4514 §2.1: the last first
		if len(set) != len(expected) {
			return false
		}
		for _, attribute := range set {
			value, ok := attribute.Value.(string)
			if !ok || !expected[attribute.Type.String()+"="+fold(value)] {
				return false
			}
		}
	}
	return true
}
