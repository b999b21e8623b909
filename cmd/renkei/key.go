package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"renkei.dev/internal/app"
	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/oauth"
)

type keyCommand struct {
	List     keyList     `cmd:"" help:"List the issuer's signing keys, of the database and of files."`
	Add      keyAdd      `cmd:"" help:"Make a new key. It is published, and signs nothing yet."`
	Activate keyActivate `cmd:"" help:"Let a next key sign; the one before it stays published until what it signed is over."`
	Retire   keyRetire   `cmd:"" help:"Let an active key sign no more, without another of its algorithm in its place."`
	Remove   keyRemove   `cmd:"" help:"Take a next or retired key out of the published set at once."`
}

// Help tells of a rotation.
func (keyCommand) Help() string {
	return `A rotation is add, list and activate, while the servers run; every node follows within seconds. A key in wrong
hands is replaced with activate --at-once, and removed (docs/operations/keys.md).

Examples:
  renkei key add --config renkei.yaml                 made and published: next
  renkei key list --config renkei.yaml                says from when on it can be activated
  renkei key activate --config renkei.yaml q3Yx4w     it signs; the one before it is retired
  renkei key activate --config renkei.yaml --at-once --reason "key leaked" q3Yx4w
  renkei key remove --config renkei.yaml --reason "key leaked" 8ZtR1p
  renkei key retire --config renkei.yaml --reason "ES256 is enough" 8ZtR1p
  renkei key add --config renkei.yaml --algorithm PS256 --hsm`
}

type keyList struct {
	target
	JSON bool `help:"As JSON."`
}

// listedKey is a key as `renkei key list` tells it.
type listedKey struct {
	KID             string    `json:"kid"`
	State           string    `json:"state"`
	Algorithm       string    `json:"algorithm"`
	Kept            string    `json:"kept"` // database, hsm or file
	CreatedAt       time.Time `json:"created_at,omitzero"`
	CanBeActivated  time.Time `json:"can_be_activated_at,omitzero"`
	SignsUntil      time.Time `json:"signs_until,omitzero"`
	PublishedUntil  time.Time `json:"published_until,omitzero"`
	ExpiredAlready  bool      `json:"expired,omitempty"`
	ReplacedByStore bool      `json:"replaced,omitempty"` // a file's, whose place a key of the database took
}

// Run lists the keys.
func (c keyList) Run(ctx context.Context, to streams) error {
	desk, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer desk.Close()
	keys, err := desk.Store.SigningKeys(ctx, oauth.FAPIIssuer)
	if err != nil {
		return err
	}
	all := listed(desk, keys, time.Now())
	if c.JSON {
		return writeJSON(to, all)
	}
	if len(all) == 0 {
		fmt.Fprintln(to.out, "There is no signing key. Make one with: renkei key add --activate")
		return nil
	}
	var t table
	t.row("KID", "STATE", "ALGORITHM", "KEPT", "CREATED", "TIMES")
	for _, k := range all {
		var times []string
		for _, one := range []struct {
			what string
			at   time.Time
		}{{"can be activated from", k.CanBeActivated}, {"signs until", k.SignsUntil}, {"published until", k.PublishedUntil}} {
			if !one.at.IsZero() {
				times = append(times, one.what+" "+minute(one.at))
			}
		}
		if k.ExpiredAlready {
			times = append(times, "EXPIRED")
		}
		t.row(k.KID, k.State, k.Algorithm, k.Kept, minute(k.CreatedAt), strings.Join(times, ", "))
	}
	return t.flush(to.out)
}

func minute(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

func listed(desk *app.Desk, keys []oauth.SigningKey, now time.Time) []listedKey {
	all := []listedKey{}
	kept := map[string]oauth.SigningKey{}
	for _, k := range keys {
		kept[k.KID] = k
	}
	for _, k := range oauth.MergeKeys(desk.Files, keys) {
		if k.State == jose.Retired && !now.Before(k.RemoveAt) {
			continue
		}
		l := listedKey{KID: k.KID, State: string(k.State), Algorithm: k.Algorithm, Kept: "file"}
		if s, ours := kept[k.KID]; ours {
			l.Kept, l.CreatedAt = "database", k.CreatedAt // a file does not say since when its key is there
			if s.InHSM {
				l.Kept = "hsm"
			}
			if k.State == jose.Next {
				l.CanBeActivated = desk.Issuer.MayActivateAt(s)
			}
		} else {
			l.ReplacedByStore = k.State == jose.Retired
		}
		if k.State == jose.Retired {
			l.PublishedUntil = k.RemoveAt
		} else {
			l.SignsUntil, l.ExpiredAlready = k.ExpiresAt, !now.Before(k.ExpiresAt)
		}
		all = append(all, l)
	}
	return all
}

type keyAdd struct {
	target
	Algorithm string `help:"ES256, PS256 or EdDSA." enum:"ES256,PS256,EdDSA" default:"ES256"`
	Days      int    `help:"How many days the key may sign." default:"365"`
	Activate  bool   `help:"Let it sign at once; only for an issuer that no key signs for yet."`
	HSM       bool   `name:"hsm" help:"Make it in the HSM of the configuration, which it never leaves."`
	Reason    string `help:"Why; it stands in the audit log." placeholder:"TEXT"`
}

// Run makes a key.
func (c keyAdd) Run(ctx context.Context, to streams) error {
	if c.Days < 1 || c.Days > 3660 {
		return fault.New(fault.Invalid, "--days must be from 1 to 3660")
	}
	desk, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer desk.Close()
	now := time.Now().UTC()
	k, err := c.make(now)
	if err != nil {
		return err
	}
	added := oauth.KeyAdded{Issuer: oauth.FAPIIssuer, Key: k, By: operator(), At: now}
	changes := []audit.Change{added}
	if c.Activate {
		keys, err := desk.Store.SigningKeys(ctx, oauth.FAPIIssuer)
		if err != nil {
			return err
		}
		activated, err := desk.Issuer.Activate(append(keys, added.Key), desk.Files, k.KID, false, operator(), c.Reason, now)
		if err != nil {
			return err
		}
		changes = append(changes, activated)
	}
	if err := desk.Store.Commit(ctx, changes...); err != nil {
		return err
	}
	if c.Activate {
		fmt.Fprintf(to.out, "Key %s (%s) signs from now on.\n", k.KID, k.Algorithm)
		return nil
	}
	fmt.Fprintf(to.out, "Key %s (%s) is published within %s and can be activated from %s on.\n", k.KID, k.Algorithm, oauth.KeysKnownWithin, minute(desk.Issuer.MayActivateAt(added.Key)))
	return nil
}

// make makes the key, in the HSM or here.
func (c keyAdd) make(now time.Time) (oauth.SigningKey, error) {
	goodFor := time.Duration(c.Days) * 24 * time.Hour
	if !c.HSM {
		k, err := jose.Generate(c.Algorithm, now, goodFor)
		return oauth.SigningKey{Key: k}, err
	}
	_, material, err := c.settings()
	if err != nil {
		return oauth.SigningKey{}, err
	}
	token, err := app.OpenHSM(material)
	if err != nil {
		return oauth.SigningKey{}, err
	}
	defer token.Close()
	key, err := token.Generate(c.Algorithm)
	if err != nil {
		return oauth.SigningKey{}, err
	}
	kid, err := jose.Thumbprint(key.Public())
	return oauth.SigningKey{InHSM: true, Key: jose.Key{
		KID: kid, Algorithm: c.Algorithm, State: jose.Next, CreatedAt: now, ExpiresAt: now.Add(goodFor), Public: key.Public(),
	}}, err
}

type keyActivate struct {
	target
	KID    string `arg:"" help:"The key, or its first letters." name:"kid"`
	AtOnce bool   `help:"Even where partners may not know the key yet: their checks can fail until they fetch the keys anew."`
	Reason string `help:"Why; it stands in the audit log." placeholder:"TEXT"`
}

// Run lets the key sign.
func (c keyActivate) Run(ctx context.Context, to streams) error {
	return c.change(ctx, c.KID, func(desk *app.Desk, keys []oauth.SigningKey, kid string, now time.Time) (audit.Change, string, error) {
		change, err := desk.Issuer.Activate(keys, desk.Files, kid, c.AtOnce, operator(), c.Reason, now)
		said := "Key " + kid + " signs from now on."
		if change.Retires != "" {
			said += " " + change.Retires + " stays published until " + minute(change.RemoveAt) + "."
		}
		return change, said, err
	}, to)
}

type keyRetire struct {
	target
	KID    string `arg:"" help:"The key, or its first letters." name:"kid"`
	Reason string `required:"" help:"Why; it stands in the audit log." placeholder:"TEXT"`
}

// Run lets the key sign no more.
func (c keyRetire) Run(ctx context.Context, to streams) error {
	return c.change(ctx, c.KID, func(desk *app.Desk, keys []oauth.SigningKey, kid string, now time.Time) (audit.Change, string, error) {
		change, err := desk.Issuer.Retire(keys, desk.Files, kid, operator(), c.Reason, now)
		return change, "Key " + kid + " signs no more and stays published until " + minute(change.RemoveAt) + ". Clients registered for its algorithm get no signed answers until another key of it is active.", err
	}, to)
}

type keyRemove struct {
	target
	KID    string `arg:"" help:"The key, or its first letters." name:"kid"`
	Reason string `required:"" help:"Why; it stands in the audit log." placeholder:"TEXT"`
}

// Run takes the key out of the published set.
func (c keyRemove) Run(ctx context.Context, to streams) error {
	return c.change(ctx, c.KID, func(_ *app.Desk, keys []oauth.SigningKey, kid string, now time.Time) (audit.Change, string, error) {
		change, err := oauth.RemoveKey(keys, kid, operator(), c.Reason, now)
		return change, "Key " + kid + " is removed: nothing that it signed verifies any more.", err
	}, to)
}

// change commits what decide says of the key whose kid begins with start.
func (t target) change(ctx context.Context, start string, decide func(*app.Desk, []oauth.SigningKey, string, time.Time) (audit.Change, string, error), to streams) error {
	desk, err := t.open(ctx)
	if err != nil {
		return err
	}
	defer desk.Close()
	keys, err := desk.Store.SigningKeys(ctx, oauth.FAPIIssuer)
	if err != nil {
		return err
	}
	kid, err := theKey(desk, keys, start)
	if err != nil {
		return err
	}
	change, said, err := decide(desk, keys, kid, time.Now().UTC())
	if err != nil {
		return err
	}
	if err := desk.Store.Commit(ctx, change); err != nil {
		if fault.Of(err) == fault.Conflict {
			return fault.New(fault.Conflict, "the keys changed meanwhile: look at `renkei key list` and try again")
		}
		return err
	}
	fmt.Fprintln(to.out, said)
	return nil
}

// theKey returns the one kid that begins with start.
func theKey(desk *app.Desk, keys []oauth.SigningKey, start string) (string, error) {
	var found []string
	for _, k := range keys {
		if strings.HasPrefix(k.KID, start) {
			found = append(found, k.KID)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	for _, k := range desk.Files {
		if len(found) == 0 && strings.HasPrefix(k.KID, start) {
			return "", fault.New(fault.Refused, "key %s lies in a file: change it in signing_keys of the configuration", k.KID)
		}
	}
	if len(found) > 1 {
		return "", fault.New(fault.Invalid, "%d keys begin with %q: write more of it", len(found), start)
	}
	return "", fault.New(fault.NotFound, "the database has no key %q; `renkei key list` names all", start)
}
