package accountapi

import (
	"context"
	"maps"
	"slices"
	"time"

	"renkei.dev/internal/corebank"
)

// Lately returns what the API knows of users of a bank.
func Lately(bank corebank.Connector, now func() time.Time) func(context.Context, corebank.UserID) (corebank.User, error) {
	l := &lately{bank: bank, now: now}
	return func(ctx context.Context, user corebank.UserID) (corebank.User, error) {
		v, err := l.view(ctx, user)
		return v.user, err
	}
}

// Paths returns every path that the API answers.
func Paths() []string {
	var all []string
	for _, r := range (&api{}).routes() {
		all = append(all, base+r.path)
	}
	return all
}

// Codes returns every code of the catalogue, sorted.
func Codes() []string { return slices.Sorted(maps.Keys(catalogue)) }
