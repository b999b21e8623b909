package accountapi

import (
	"maps"
	"slices"
)

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
