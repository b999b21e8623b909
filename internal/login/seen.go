package login

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"renkei.dev/internal/corebank"
)

// Trait is a kind of thing that a user is seen with. Traits are part of what is
// stored: they are never renamed.
type Trait string

// The traits.
const (
	Device  Trait = "device"  // a browser, by the digest of its token
	Network Trait = "network" // keyed
	Partner Trait = "partner"
	Hour    Trait = "hour" // of the day in Japan, 00 to 23
)

// Sighting is one thing that a user was seen with.
type Sighting struct {
	Trait  Trait
	Value  string
	LastAt time.Time
}

// Seen records what a user was seen with at a login that went all the way
// through, additional question included: what an attacker brings does not
// become usual by being tried. It is a part of the change that it belongs to.
type Seen struct {
	User   corebank.UserID
	With   []Sighting
	Oldest time.Time // sightings last renewed before this are forgotten
}

// hourSlack is how far from a usual hour is still usual.
const hourSlack = 2

// FactsOf compares what a login came with with what the user was seen with.
func FactsOf(seen []Sighting, now []Sighting) Facts {
	known := func(trait Trait) bool {
		for _, n := range now {
			if n.Trait != trait {
				continue
			}
			for _, s := range seen {
				if s.Trait == trait && (s.Value == n.Value || trait == Hour && near(s.Value, n.Value)) {
					return true
				}
			}
		}
		return false
	}
	return Facts{
		NewDevice: !known(Device), NewNetwork: !known(Network),
		FirstPartner: !known(Partner), UnusualHour: !known(Hour),
	}
}

// usualFor is how long a sighting is not renewed, so that the usual login writes
// none.
const usualFor = 24 * time.Hour

// Usual tells whether all of now was seen not long ago, so that nothing needs to
// be kept anew.
func Usual(seen, now []Sighting) bool {
	for _, n := range now {
		if !slices.ContainsFunc(seen, func(s Sighting) bool {
			return s.Trait == n.Trait && s.Value == n.Value && n.LastAt.Sub(s.LastAt) < usualFor
		}) {
			return false
		}
	}
	return true
}

func near(a, b string) bool {
	var x, y int
	if _, err := fmt.Sscanf(a+" "+b, "%d %d", &x, &y); err != nil {
		return false
	}
	d := (x - y + 24) % 24
	return min(d, 24-d) <= hourSlack
}

// HourOf returns the value of Hour at t.
func HourOf(t time.Time) string { return fmt.Sprintf("%02d", t.In(corebank.Japan).Hour()) }

// AddressOf returns what counts as one address: of IPv6 the /64, of which one
// customer has all.
func AddressOf(a netip.Addr) string {
	a = a.Unmap()
	if p, err := a.WithZone("").Prefix(64); a.Is6() && err == nil {
		return p.String()
	}
	return a.String()
}

// NetworkOf returns the network of an address, as wide as a household's or an
// office's changes within: /24, or /48 of IPv6.
func NetworkOf(a netip.Addr) string {
	a = a.Unmap()
	bits := 24
	if a.Is6() {
		bits = 48
	}
	p, err := a.Prefix(bits)
	if err != nil || !p.IsValid() {
		return "unknown"
	}
	return p.String()
}
