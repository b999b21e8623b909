package store

import (
	"context"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/login"
)

// together makes look-ups in one round trip; one alone is a look-up as any other.
func (in *Institution) together(ctx context.Context, all ...asked) error {
	switch len(all) {
	case 0:
		return nil
	case 1:
		return in.read.Each(ctx, all[0].look, all[0].scan, all[0].args...)
	}
	return in.read.Together(ctx, all...)
}

// keptRows is where what is kept beside a journey is read to.
type keptRows struct {
	linkage.Kept
	counters []login.Counter
}

// asked are the look-ups of what a page needs.
func (k *keptRows) asked(institution string, n linkage.Needs) []asked {
	var all []asked
	if n.Linked {
		all = append(all, asked{
			liveConsentsTo, []any{institution, string(n.User), string(n.Partner), micros(n.Now)}, into(&k.Linked, scanConsent),
		})
	}
	if len(n.Session) > 0 {
		all = append(all, asked{sessionByDigest, []any{institution, n.Session}, func(int, row) error {
			k.Session = true
			return nil
		}})
	}
	if len(n.Accounts) > 0 {
		all = append(all, pinsAsked(institution, n.Accounts, &k.PINs), countersAsked(institution, pinKeys(n.Accounts), &k.counters))
	}
	return all
}

func (k *keptRows) kept(n linkage.Needs) linkage.Kept {
	k.Counters = countersOf(pinKeys(n.Accounts), k.counters)
	return k.Kept
}

func pinKeys(accounts []corebank.AccountID) []login.Key {
	keys := make([]login.Key, len(accounts))
	for i, a := range accounts {
		keys[i] = linkage.PINKey(a)
	}
	return keys
}

// Kept returns what a page needs beside its journey.
func (in *Institution) Kept(ctx context.Context, n linkage.Needs) (linkage.Kept, error) {
	var k keptRows
	if err := in.together(ctx, k.asked(in.id, n)...); err != nil {
		return linkage.Kept{}, failed(err, "find what a page shows")
	}
	return k.kept(n), nil
}

// Known returns what is known of a user who comes in.
func (in *Institution) Known(ctx context.Context, user corebank.UserID, tries []login.Key, accounts []corebank.AccountID) (linkage.Known, error) {
	var k linkage.Known
	var kept []login.Counter
	var all []asked
	if user != "" {
		all = append(all, sightingsAsked(in.id, user, &k.Seen))
	}
	if len(tries) > 0 {
		all = append(all, countersAsked(in.id, tries, &kept))
	}
	if len(accounts) > 0 {
		all = append(all, pinsAsked(in.id, accounts, &k.PINs))
	}
	if err := in.together(ctx, all...); err != nil {
		return linkage.Known{}, failed(err, "find what is known of a user")
	}
	k.Tries = countersOf(tries, kept)
	return k, nil
}
