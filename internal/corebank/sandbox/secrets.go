package sandbox

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
)

// kind is one kind of secret and how many wrong ones in a row the bank allows.
type kind struct {
	name  string
	tries int
}

var (
	passwords = kind{"password", 10}
	answers   = kind{"answer", 10}
	pins      = kind{"pin", 5}
)

const (
	argonTime    = 2
	argonMemory  = 19 * 1024 // KiB
	argonThreads = 1
	argonLen     = 32
	maxMemory    = 1024 * 1024 // KiB; no digest of ours wants more
)

// check checks what was typed against the secret of a subject as it was first
// registered. The try is taken before the hash and given back for a right one,
// so that neither a crash nor another process makes a guess free; checks of one
// subject follow each other, so that parallel right ones do not lock it.
//
// A secret has no digest in the file until it was first right: a new bank opens
// at once, and every check costs one hash.
func (b *Bank) check(ctx context.Context, k kind, subject string, registered, typed secret.Value) error {
	defer b.locks.lock(k.name + " " + subject)()
	done, err := b.place(ctx)
	if err != nil {
		return err
	}
	defer done()
	var digest string
	var wrong int
	err = b.db.QueryRowContext(ctx, `INSERT INTO secrets (kind, subject, digest, wrong) VALUES ($1, $2, '', 1)
		ON CONFLICT (kind, subject) DO UPDATE SET wrong = wrong + 1 WHERE wrong < $3 RETURNING digest, wrong`,
		k.name, subject, k.tries).Scan(&digest, &wrong)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return corebank.Locked{}
	case err != nil:
		return corebank.Unavailable{Unchecked: true, Cause: err}
	}
	right := false
	if digest == "" {
		digest = b.hash(k, subject, typed)
		right = typed.Equal(registered)
	} else if right, err = b.matches(k, subject, digest, typed); err != nil {
		return corebank.Unavailable{Cause: err}
	}
	if !right {
		return corebank.WrongSecret{Remaining: k.tries - wrong}
	}
	return b.keep(ctx, k, subject, digest)
}

// keep writes the digest of a secret that is right, with no wrong ones counted.
func (b *Bank) keep(ctx context.Context, k kind, subject, digest string) error {
	_, err := b.db.ExecContext(context.WithoutCancel(ctx), `INSERT INTO secrets (kind, subject, digest, wrong) VALUES ($1, $2, $3, 0)
		ON CONFLICT (kind, subject) DO UPDATE SET digest = excluded.digest, wrong = 0`, k.name, subject, digest)
	if err != nil {
		return corebank.Unavailable{Cause: err}
	}
	return nil
}

// hash returns the Argon2id digest of a secret, its parameters included. What
// is hashed is a MAC under the bank's key, since four digits alone are soon found.
func (b *Bank) hash(k kind, subject string, v secret.Value) string {
	salt := make([]byte, 16)
	rand.Read(salt)
	sum := b.argon(k, subject, v, salt, argonTime, argonMemory)
	enc := base64.RawStdEncoding
	return fmt.Sprintf("argon2id$m=%d,t=%d$%s$%s", argonMemory, argonTime, enc.EncodeToString(salt), enc.EncodeToString(sum))
}

func (b *Bank) matches(k kind, subject, digest string, typed secret.Value) (bool, error) {
	parts := strings.Split(digest, "$")
	var memory, passes uint32
	if len(parts) != 4 {
		return false, errBroken
	}
	if _, err := fmt.Sscanf(parts[1], "m=%d,t=%d", &memory, &passes); err != nil || passes < 1 || memory > maxMemory {
		return false, errBroken
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[2])
	want, err2 := base64.RawStdEncoding.DecodeString(parts[3])
	if err1 != nil || err2 != nil {
		return false, errBroken
	}
	return subtle.ConstantTimeCompare(b.argon(k, subject, typed, salt, passes, memory), want) == 1, nil
}

var errBroken = errors.New("a digest in the sandbox bank's file is broken")

// place waits for one of the places to hash, of which there is one for each core.
func (b *Bank) place(ctx context.Context) (done func(), err error) {
	select {
	case b.hashing <- struct{}{}:
		return func() { <-b.hashing }, nil
	case <-ctx.Done():
		return nil, corebank.Unavailable{Unchecked: true, Cause: ctx.Err()}
	}
}

func (b *Bank) argon(k kind, subject string, v secret.Value, salt []byte, passes, memory uint32) []byte {
	peppered := secret.MAC(b.key, secret.Kind(k.name), subject, v)
	return argon2.IDKey(peppered[:], salt, passes, memory, argonThreads, argonLen)
}

// waste does the work of a check for a login id that is nobody's: the same waiting
// for another check of it, the same write and the same hash.
func (b *Bank) waste(ctx context.Context, id corebank.LoginID, typed secret.Value) error {
	line := secret.MAC(b.key, "nobody", string(id), secret.Value{})[0] // there is no end of ids, but of locks
	defer b.locks.lock(fmt.Sprint("nobody ", line))()
	done, err := b.place(ctx)
	if err != nil {
		return err
	}
	defer done()
	_, err = b.db.ExecContext(ctx, `INSERT INTO secrets (kind, subject, digest, wrong) VALUES ('nobody', '', '', 1)
		ON CONFLICT (kind, subject) DO UPDATE SET wrong = wrong + 1`)
	if err != nil {
		return corebank.Unavailable{Unchecked: true, Cause: err}
	}
	b.argon(passwords, "", typed, make([]byte, 16), argonTime, argonMemory)
	return nil
}

// ChangePassword gives a user another password, as internet banking would: what
// was locked is open again, and from now on User.PasswordAt says when.
func (b *Bank) ChangePassword(ctx context.Context, user corebank.UserID, password secret.Value) error {
	if _, err := b.seatOf(user); err != nil {
		return err
	}
	defer b.locks.lock(passwords.name + " " + string(user))()
	done, err := b.place(ctx)
	if err != nil {
		return err
	}
	defer done()
	// First the time: a crash in between ends sessions, rather than leaving them.
	_, err = b.db.ExecContext(ctx, `INSERT INTO password_changes (member, at) VALUES ($1, $2)
		ON CONFLICT (member) DO UPDATE SET at = excluded.at`, user, b.now().UnixMicro())
	if err != nil {
		return corebank.Unavailable{Cause: err}
	}
	return b.keep(ctx, passwords, string(user), b.hash(passwords, string(user), password))
}

// userOf returns the user of a seat as they stand now.
func (b *Bank) userOf(ctx context.Context, s *seat) (corebank.User, error) {
	var at int64
	// The file is at hand: a watcher for the end of ctx would cost more than the look-up.
	err := b.changedAt.QueryRowContext(context.WithoutCancel(ctx), s.ID).Scan(&at)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return s.User, nil
	case err != nil:
		return corebank.User{}, corebank.Unavailable{Cause: err}
	}
	u := s.User
	u.PasswordAt = time.UnixMicro(at).UTC()
	return u, nil
}

// ChangePIN gives an account another inquiry PIN, as its branch would: what was
// locked is open again.
func (b *Bank) ChangePIN(ctx context.Context, account corebank.AccountID, pin corebank.InquiryPIN) error {
	v, ok := b.accounts[account]
	if !ok {
		return fault.New(fault.NotFound, "find account %s", account)
	}
	defer b.locks.lock(pins.name + " " + string(account))()
	done, err := b.place(ctx)
	if err != nil {
		return err
	}
	defer done()
	v.right.Store(nil)
	return b.keep(ctx, pins, string(account), b.hash(pins, string(account), pin.Value))
}
