package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"

	"renkei.dev/internal/fault"
)

// scope is what part of its issuer's certificates a list speaks of (RFC 5280
// §5.2.5); the zero scope is all of them.
type scope struct {
	points    []string // addresses of the list; a certificate that names its own must share one
	usersOnly bool
	casOnly   bool
}

var distributionPointID = asn1.ObjectIdentifier{2, 5, 29, 28}

// distributionPoint is an IssuingDistributionPoint.
type distributionPoint struct {
	Name struct {
		Full []asn1.RawValue `asn1:"optional,tag:0"`
	} `asn1:"optional,tag:0"`
	UsersOnly      bool           `asn1:"optional,tag:1"`
	CAsOnly        bool           `asn1:"optional,tag:2"`
	SomeReasons    asn1.BitString `asn1:"optional,tag:3"`
	Indirect       bool           `asn1:"optional,tag:4"`
	AttributesOnly bool           `asn1:"optional,tag:5"`
}

const uniformResource = 6 // the choice of GeneralName that is an address

// scopeOf reads a list's scope and refuses lists that say other things than they
// seem to: one with a critical extension that is not understood must not be used,
// above all a delta, which would hide every older revocation. Errors: fault.Invalid.
func scopeOf(l *x509.RevocationList) (scope, error) {
	var s scope
	for _, e := range l.Extensions {
		if !e.Id.Equal(distributionPointID) {
			if e.Critical {
				return s, fault.New(fault.Invalid, "a revocation list has the critical extension %s, such as a delta list; complete lists are needed", e.Id)
			}
			continue
		}
		var d distributionPoint
		if rest, err := asn1.Unmarshal(e.Value, &d); err != nil || len(rest) > 0 {
			return s, fault.New(fault.Invalid, "the scope of a revocation list cannot be read")
		}
		if d.SomeReasons.BitLength > 0 || d.Indirect || d.AttributesOnly {
			return s, fault.New(fault.Invalid, "a revocation list is for some reasons, other issuers or attributes alone; complete lists are needed")
		}
		s.usersOnly, s.casOnly = d.UsersOnly, d.CAsOnly
		for _, name := range d.Name.Full {
			if name.Class == asn1.ClassContextSpecific && name.Tag == uniformResource {
				s.points = append(s.points, string(name.Bytes))
			}
		}
	}
	if slices.ContainsFunc(l.RevokedCertificateEntries, func(e x509.RevocationListEntry) bool {
		return slices.ContainsFunc(e.Extensions, func(x pkix.Extension) bool { return x.Critical })
	}) {
		return s, fault.New(fault.Invalid, "an entry of a revocation list has a critical extension")
	}
	return s, nil
}

// holds tells whether the list speaks of a certificate.
func (s scope) holds(c *x509.Certificate) bool {
	if s.usersOnly && c.IsCA || s.casOnly && !c.IsCA {
		return false
	}
	if len(s.points) == 0 || len(c.CRLDistributionPoints) == 0 {
		return true
	}
	return slices.ContainsFunc(s.points, func(p string) bool { return slices.Contains(c.CRLDistributionPoints, p) })
}
