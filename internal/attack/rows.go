package attack

import "slices"

// All returns every attack, in the order of the list.
func All() []Attack {
	return slices.Concat(requestAttacks(), clientAttacks(), grantAttacks(), valueAttacks(), edgeAttacks(), sizeAttacks(),
		proofAttacks(), certificateAttacks(), metadataAttacks(), journeyAttacks())
}
