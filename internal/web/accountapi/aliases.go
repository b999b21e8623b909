package accountapi

import (
	"sync"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/partner"
)

// aliasesAtMost bounds how many are remembered; beyond it all are forgotten.
const aliasesAtMost = 50_000

// aliases remembers by which ids partners know accounts. They never change, and
// a call for one account compares those of all accounts of its consent.
type aliases struct {
	make  func(partner.ID, corebank.AccountID) string
	mu    sync.RWMutex
	known map[aliased]string
}

type aliased struct {
	partner partner.ID
	account corebank.AccountID
}

func (a *aliases) of(p partner.ID, account corebank.AccountID) string {
	key := aliased{p, account}
	a.mu.RLock()
	alias, ok := a.known[key]
	a.mu.RUnlock()
	if ok {
		return alias
	}
	alias = a.make(p, account)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known == nil || len(a.known) >= aliasesAtMost {
		a.known = map[aliased]string{}
	}
	a.known[key] = alias
	return alias
}
