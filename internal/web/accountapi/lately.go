package accountapi

import (
	"context"
	"sync"
	"time"

	"renkei.dev/internal/corebank"
)

// knownFor is how long the bank's word on a user is good: what the bank takes
// away holds within a second (protocol.md §4 item 11), and the calls with which a
// partner fetches one company's accounts ask once.
const knownFor = 500 * time.Millisecond

// knownAtMost bounds what is kept; beyond it all is forgotten.
const knownAtMost = 10_000

// view is what the bank says of a user. Nobody changes it once it is known.
type view struct {
	user     corebank.User
	accounts []corebank.Account
	rights   []corebank.Right
	at       time.Time
}

// lately asks the bank what a user is and may, at most twice a second for each; an
// answer is as old as its question, however long the bank took.
type lately struct {
	bank  corebank.Connector
	now   func() time.Time
	mu    sync.Mutex
	known map[corebank.UserID]*view
}

func (l *lately) view(ctx context.Context, user corebank.UserID) (*view, error) {
	now := l.now()
	l.mu.Lock()
	v := l.known[user]
	l.mu.Unlock()
	if v != nil {
		if age := now.Sub(v.at); age >= 0 && age < knownFor {
			return v, nil
		}
	}
	// Side by side, since each may take the bank seconds.
	var failed [3]error
	v = &view{at: now} // of the question: the answers may be as old
	var all sync.WaitGroup
	all.Go(func() { v.user, failed[0] = l.bank.User(ctx, user) })
	all.Go(func() { v.accounts, failed[1] = l.bank.Accounts(ctx, user) })
	all.Go(func() { v.rights, failed[2] = l.bank.Rights(ctx, user) })
	all.Wait()
	for _, err := range failed {
		if err != nil {
			return nil, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known == nil || len(l.known) >= knownAtMost {
		l.known = map[corebank.UserID]*view{}
	}
	l.known[user] = v
	return v, nil
}
