package app

import (
	"context"
	"crypto"
	"io"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"renkei.dev/internal/config"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/hsm"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
)

const (
	// keysAskedWithin bounds how long a request waits for what may have changed, and
	// keysAskedAgain is when the next one asks after a failure.
	keysAskedWithin  = time.Second
	keysAskedAgain   = 500 * time.Millisecond
	keysWarnedBefore = 14 * 24 * time.Hour
	keysWarnedEvery  = time.Hour
	keysFailureEvery = time.Minute
)

// ringOf returns the keys that the issuer of an institution signs with: those of
// its files and those in the database. open finds a private key in the HSM.
func ringOf(ctx context.Context, files []jose.Key, kept *store.Institution, open func(oauth.SigningKey) (crypto.Signer, error), now time.Time) (*jose.Ring, error) {
	keys, err := kept.SigningKeys(ctx, oauth.FAPIIssuer)
	if err != nil {
		return nil, err
	}
	for i, k := range keys {
		if k.InHSM && k.State != jose.Retired {
			if keys[i].Private, err = open(k); err != nil {
				return nil, fault.Wrap(fault.Of(err), "find signing key "+k.KID+" in the HSM", err)
			}
		}
	}
	all := oauth.MergeKeys(files, keys)
	if len(all) == 0 {
		return nil, fault.New(fault.Invalid, "there is no signing key: make one with `renkei key add --activate`, or name one in signing_keys")
	}
	ring, err := jose.NewRing(all, now)
	if err != nil {
		return nil, fault.Wrap(fault.Of(err), "the signing keys cannot be used (`renkei key list` shows them; `renkei key add` and `renkei key activate` put another in force)", err)
	}
	return ring, nil
}

// unexpired is of a start, which no expired key may come through.
func unexpired(ring *jose.Ring, now time.Time) error {
	if err := ring.Expired(now); err != nil {
		return fault.Wrap(fault.Expired, "put another key in force with `renkei key add` and `renkei key activate`, or name one in signing_keys", err)
	}
	return nil
}

// hsmKey finds a private key in the HSM.
func (a *App) hsmKey(k oauth.SigningKey) (crypto.Signer, error) {
	if a.hsm == nil {
		return nil, fault.New(fault.Invalid, "the configuration names no hsm")
	}
	return a.hsm.Find(k.KID)
}

// OpenHSM opens the HSM of the settings. Errors: fault.Invalid where there is
// none or the program was built without; fault.Unavailable.
func OpenHSM(m config.Material) (hsm.Token, error) {
	if m.HSM == nil {
		return nil, fault.New(fault.Invalid, "the configuration names no hsm")
	}
	return hsm.Open(*m.HSM)
}

// keysKept is the keys of an issuer, which asks the store only for what may have
// changed, and only when somebody wants them: a rotation or removal holds on every
// node within a second of it.
type keysKept struct {
	store *store.Institution
	files []jose.Key
	open  func(oauth.SigningKey) (crypto.Signer, error) // finds a private key in the HSM
	log   *slog.Logger
	now   func() time.Time

	kept   atomic.Pointer[keptRing]
	asking chan struct{} // holds who asks
	failed time.Time     // when that was told; of who asks
}

// keptRing is never changed.
type keptRing struct {
	*jose.Ring
	version int64
	still   func() bool // whether it may be used again
	due     time.Time   // when a retired key leaves it; zero: none does
}

func (r *keptRing) isDue(now time.Time) bool { return !r.due.IsZero() && !now.Before(r.due) }

// keysOf reads the keys that an issuer starts with.
func (a *App) keysOf(ctx context.Context, institution string, files []jose.Key, kept *store.Institution) (*keysKept, error) {
	k := &keysKept{
		store: kept, files: files, open: a.hsmKey, log: a.cfg.Log.With("institution", institution), now: a.cfg.Now, asking: make(chan struct{}, 1),
	}
	next, err := k.read(ctx, nil)
	if err != nil {
		return nil, err
	}
	k.kept.Store(next)
	return k, unexpired(next.Ring, a.cfg.Now())
}

// Ring returns the keys in force. Where those in the database cannot be read or
// used, those before them stay in force. Who comes while somebody asks waits for the
// answer: a node that nobody wanted a key of for a day would else sign once more with
// one that was removed meanwhile, and publish it.
func (k *keysKept) Ring() *jose.Ring {
	kept, good := k.good()
	if good {
		return kept.Ring
	}
	patience := time.NewTimer(keysAskedWithin)
	defer patience.Stop()
	select {
	case k.asking <- struct{}{}:
	case <-patience.C: // an HSM that hangs must not hold everybody
		return k.kept.Load().Ring
	}
	defer func() { <-k.asking }()
	if kept, good = k.good(); good {
		return kept.Ring
	}
	ctx, cancel := context.WithTimeout(context.Background(), keysAskedWithin)
	defer cancel()
	next, err := k.read(ctx, kept)
	if err != nil {
		if k.now().Sub(k.failed) >= keysFailureEvery {
			k.failed = k.now()
			k.log.Error("the signing keys may have changed and cannot be used; those before stay in force", "error", err)
		}
		again := time.Now().Add(keysAskedAgain)
		next = &keptRing{Ring: kept.Ring, version: -1, still: func() bool { return time.Now().Before(again) }}
	}
	k.kept.Store(next)
	return next.Ring
}

// good returns the keys that are kept, and whether they may be used once more.
func (k *keysKept) good() (*keptRing, bool) {
	kept := k.kept.Load()
	return kept, kept.still() && !kept.isDue(k.now())
}

// read reads the keys, or finds that they are the same as before.
func (k *keysKept) read(ctx context.Context, before *keptRing) (*keptRing, error) {
	now, next := k.now(), &keptRing{still: k.store.Fresh(store.Keys)}
	var err error
	if next.version, err = k.store.KeysVersion(ctx, oauth.FAPIIssuer); err != nil {
		return nil, err
	}
	if before != nil && before.version == next.version && !before.isDue(now) {
		next.Ring, next.due = before.Ring, before.due
		return next, nil
	}
	if next.Ring, err = ringOf(ctx, k.files, k.store, k.open, now); err != nil {
		return nil, err
	}
	next.due = next.ChangesAt()
	return next, nil
}

// warnOfKeys tells now and then of keys that should be replaced, until ctx ends.
func (a *App) warnOfKeys(ctx context.Context) {
	tick := time.NewTicker(keysWarnedEvery)
	defer tick.Stop()
	for {
		for _, in := range a.Institutions {
			warnOfEnd(a.cfg.Log.With("institution", in.Settings.Name), in.Engine.Issuer().Keys, a.cfg.Now())
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// warnOfEnd tells operators of keys that should be replaced. A key that expires
// while the server runs goes on signing: an outage would help nobody.
func warnOfEnd(log *slog.Logger, ring *jose.Ring, now time.Time) {
	const do = "replace it with `renkei key add` and `renkei key activate`"
	if err := ring.Expired(now); err != nil {
		log.Error("a signing key has expired and the next start will refuse it: "+do, "error", err)
	} else if ends := ring.EndsAt(); ends.Before(now.Add(keysWarnedBefore)) {
		log.Warn("a signing key expires soon: "+do, "at", ends)
	}
}

// publicHalf stands for a private key in the HSM where nothing is signed.
type publicHalf struct{ crypto.PublicKey }

// Public returns the public key.
func (p publicHalf) Public() crypto.PublicKey { return p.PublicKey }

// Sign refuses.
func (publicHalf) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, fault.New(fault.Refused, "this key signs in a server alone")
}

// CheckKeys tells whether every institution of the settings has the signing keys
// that a start needs, in files or in the database. notYet is why the database was
// not asked, where a start would first found it or take it forward and the files
// alone are enough. Errors: those of the start that would fail; why a database
// that is there cannot be read.
func CheckKeys(ctx context.Context, f config.File, m config.Material, now time.Time) (notYet error, err error) {
	box, err := secret.NewBox(m.SealingKeys)
	if err != nil {
		return nil, err
	}
	cfg := StoreConfig(f, m, box, slog.New(slog.DiscardHandler))
	cfg.Passive, cfg.LeaveSchema = true, true
	open := halfKey
	if m.HSM != nil {
		token, err := OpenHSM(m)
		if err != nil {
			return nil, err
		}
		defer token.Close()
		open = func(k oauth.SigningKey) (crypto.Signer, error) { return token.Find(k.KID) }
	}
	var db *store.DB
	notYet, err = startFirst(ctx, cfg)
	if err == nil && notYet == nil {
		if db, err = store.Open(ctx, cfg); err == nil {
			defer db.Close()
		}
	}
	if err != nil {
		return nil, fault.Wrap(fault.Of(err), "the file itself is right, but its database was not read, and the signing keys there were not checked", err)
	}
	for i, in := range f.Institutions {
		files := m.Institutions[i].SigningKeys
		var ring *jose.Ring
		switch {
		case notYet == nil:
			ring, err = ringOf(ctx, files, db.Institution(in.Name), open, now)
		case len(files) == 0:
			err = fault.Wrap(fault.Of(notYet), "look for signing keys, of which signing_keys names none, in the database", notYet)
		default:
			ring, err = jose.NewRing(files, now)
		}
		if err == nil {
			err = unexpired(ring, now)
		}
		if err != nil {
			return nil, fault.Wrap(fault.Of(err), "institution "+in.Name, err)
		}
	}
	return notYet, nil
}

// startFirst says what a start would do to the database before it could read it:
// found it, or take its schema forward; nil for nothing.
func startFirst(ctx context.Context, cfg store.Config) (notYet error, err error) {
	steps, err := store.Migrations(ctx, cfg, false)
	if err != nil && fault.Of(err) == fault.NotFound {
		return err, nil
	}
	if slices.ContainsFunc(steps, func(s store.Migration) bool { return !s.Applied }) {
		notYet = fault.New(fault.Invalid, "its schema is older than this program: `renkei db plan` lists the steps that `renkei db up` or the next start takes")
	}
	return notYet, err
}

func halfKey(k oauth.SigningKey) (crypto.Signer, error) { return publicHalf{k.Public}, nil }
