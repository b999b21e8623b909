package jose

import "crypto"

// KeyAt gives tests a key of a set.
func KeyAt(s *Set, i int) crypto.PublicKey { return s.keys[i].public }

// Unambiguous gives tests the strict reader.
func Unambiguous(raw []byte) bool { return members("a text", raw, nil) == nil }
