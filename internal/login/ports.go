package login

import (
	"context"

	"renkei.dev/internal/corebank"
)

// Store keeps what login counts and recognises. Its changes are committed by
// the store of the journey that they belong to.
type Store interface {
	// Counters returns the counters of keys, in their order; New for those of
	// which nothing was counted.
	Counters(ctx context.Context, keys ...Key) ([]Counter, error)
	// Sightings returns what a user was seen with.
	Sightings(ctx context.Context, user corebank.UserID) ([]Sighting, error)
}
