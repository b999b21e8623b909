package app

import (
	"context"
	"crypto"
	"io"
	"log/slog"
	"slices"
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
	// keysLookedAtEvery is how often a node asks whether signing keys changed;
	// oauth.KeysKnownWithin is what that promises, with room for a slow moment.
	keysLookedAtEvery = 500 * time.Millisecond
	keysWarnedBefore  = 14 * 24 * time.Hour
	keysWarnedEvery   = time.Hour
	keysFailureEvery  = time.Minute
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

// startingRing is ringOf for a start, which no expired key may come through.
func (a *App) startingRing(ctx context.Context, files []jose.Key, kept *store.Institution) (*jose.Ring, error) {
	ring, err := ringOf(ctx, files, kept, a.hsmKey, a.cfg.Now())
	if err != nil {
		return nil, err
	}
	return ring, unexpired(ring, a.cfg.Now())
}

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

// watchKeys lets every issuer sign with the keys that stand in the database,
// within a moment of every change, until ctx ends. Keys that cannot be used leave
// those before them in force.
func (a *App) watchKeys(ctx context.Context) {
	w := keyWatch{app: a, fresh: map[string]func() bool{}, seen: map[string]int64{}, due: map[string]time.Time{}, failed: map[string]time.Time{}}
	tick := time.NewTicker(keysLookedAtEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := w.look(ctx, a.cfg.Now()); err != nil && ctx.Err() == nil {
			a.cfg.Log.Warn("looking for new signing keys", "error", err)
		}
	}
}

// keyWatch is what was seen of the keys, by institution.
type keyWatch struct {
	app    *App
	fresh  map[string]func() bool // nothing is known to have changed since
	seen   map[string]int64       // versions in force
	due    map[string]time.Time   // when a retired key leaves
	failed map[string]time.Time   // when that was told
	warned time.Time
}

// look asks the database when there may be news, and takes what changed.
func (w *keyWatch) look(ctx context.Context, now time.Time) error {
	news := false
	for _, in := range w.app.Institutions {
		still := w.fresh[in.Settings.Name]
		news = news || still == nil || !still() || w.isDue(in.Settings.Name, now)
	}
	if news {
		fresh := map[string]func() bool{} // from before the reading
		for _, in := range w.app.Institutions {
			fresh[in.Settings.Name] = in.Store.Fresh(store.Keys)
		}
		versions, err := w.app.db.KeyVersions(ctx)
		if err != nil {
			return err
		}
		for _, in := range w.app.Institutions {
			if !w.take(ctx, in, versions[in.Settings.Name][oauth.FAPIIssuer], now) {
				delete(fresh, in.Settings.Name) // to be tried again
			}
		}
		w.fresh = fresh
	}
	if now.Sub(w.warned) >= keysWarnedEvery {
		w.warned = now
		for _, in := range w.app.Institutions {
			warnOfEnd(w.app.cfg.Log.With("institution", in.Settings.Name), in.Engine.Issuer().Keys, now)
		}
	}
	return nil
}

func (w *keyWatch) isDue(name string, now time.Time) bool {
	due := w.due[name]
	return !due.IsZero() && !now.Before(due)
}

// take puts an institution's keys in force where they changed since they were
// read, and tells whether it could.
func (w *keyWatch) take(ctx context.Context, in *Institution, version int64, now time.Time) bool {
	name := in.Settings.Name
	if seen, known := w.seen[name]; known && seen == version && !w.isDue(name, now) {
		return true
	}
	ring, err := ringOf(ctx, in.fileKeys, in.Store, w.app.hsmKey, now)
	if err != nil {
		if ctx.Err() == nil && now.Sub(w.failed[name]) >= keysFailureEvery {
			w.failed[name] = now
			w.app.cfg.Log.Error("the signing keys changed and cannot be used; those before stay in force", "institution", name, "error", err)
		}
		return false
	}
	in.Engine.UseKeys(ring)
	w.seen[name], w.due[name] = version, ring.ChangesAt()
	return true
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
