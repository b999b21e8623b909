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

	"golang.org/x/crypto/argon2"

	"renkei.dev/internal/corebank"
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
)

// check checks what was typed against the secret of a subject as it was first
// registered. Checks of one subject follow each other, so that any number of
// parallel ones spends no more tries than the kind allows.
func (b *Bank) check(ctx context.Context, k kind, subject string, registered, typed secret.Value) error {
	defer b.locks.lock(k.name + " " + subject)()
	var digest string
	var wrong int
	row := b.db.QueryRowContext(ctx, `SELECT digest, wrong FROM secrets WHERE kind = $1 AND subject = $2`, k.name, subject)
	switch err := row.Scan(&digest, &wrong); {
	case errors.Is(err, sql.ErrNoRows):
		// Digests are made when they are first needed: a new bank opens at once.
		if digest, err = b.hash(ctx, k, subject, registered); err != nil {
			return err
		}
		if _, err := b.db.ExecContext(ctx, `INSERT INTO secrets (kind, subject, digest) VALUES ($1, $2, $3)`, k.name, subject, digest); err != nil {
			return corebank.Unavailable{Unchecked: true, Cause: err}
		}
	case err != nil:
		return corebank.Unavailable{Unchecked: true, Cause: err}
	}
	if wrong >= k.tries {
		return corebank.Locked{}
	}
	right, err := b.matches(ctx, k, subject, digest, typed)
	if err != nil {
		return err
	}
	if right {
		if wrong > 0 {
			return b.count(ctx, k, subject, 0)
		}
		return nil
	}
	if err := b.count(ctx, k, subject, wrong+1); err != nil {
		return err
	}
	return corebank.WrongSecret{Remaining: k.tries - wrong - 1}
}

func (b *Bank) count(ctx context.Context, k kind, subject string, wrong int) error {
	_, err := b.db.ExecContext(context.WithoutCancel(ctx), `UPDATE secrets SET wrong = $3 WHERE kind = $1 AND subject = $2`, k.name, subject, wrong)
	if err != nil {
		return corebank.Unavailable{Cause: err}
	}
	return nil
}

// hash returns the Argon2id digest of a secret, its parameters included. What
// is hashed is a MAC under the bank's key, since four digits alone are soon found.
func (b *Bank) hash(ctx context.Context, k kind, subject string, v secret.Value) (string, error) {
	salt := make([]byte, 16)
	rand.Read(salt)
	sum, err := b.argon(ctx, k, subject, v, salt, argonTime, argonMemory)
	if err != nil {
		return "", err
	}
	enc := base64.RawStdEncoding
	return fmt.Sprintf("argon2id$m=%d,t=%d$%s$%s", argonMemory, argonTime, enc.EncodeToString(salt), enc.EncodeToString(sum)), nil
}

func (b *Bank) matches(ctx context.Context, k kind, subject, digest string, typed secret.Value) (bool, error) {
	parts := strings.Split(digest, "$")
	var memory, time uint32
	if len(parts) != 4 {
		return false, corebank.Unavailable{Unchecked: true, Cause: errBroken}
	}
	if _, err := fmt.Sscanf(parts[1], "m=%d,t=%d", &memory, &time); err != nil {
		return false, corebank.Unavailable{Unchecked: true, Cause: errBroken}
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[2])
	want, err2 := base64.RawStdEncoding.DecodeString(parts[3])
	if err1 != nil || err2 != nil {
		return false, corebank.Unavailable{Unchecked: true, Cause: errBroken}
	}
	got, err := b.argon(ctx, k, subject, typed, salt, time, memory)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

var errBroken = errors.New("a digest in the sandbox bank's file is broken")

// argon runs at most one hash for each core at a time.
func (b *Bank) argon(ctx context.Context, k kind, subject string, v secret.Value, salt []byte, time, memory uint32) ([]byte, error) {
	select {
	case b.hashing <- struct{}{}:
		defer func() { <-b.hashing }()
	case <-ctx.Done():
		return nil, corebank.Unavailable{Unchecked: true, Cause: ctx.Err()}
	}
	peppered := secret.MAC(b.key, secret.Kind(k.name), subject, v)
	return argon2.IDKey(peppered[:], salt, time, memory, argonThreads, argonLen), nil
}

// waste does the work of a check for a login id that is nobody's.
func (b *Bank) waste(ctx context.Context, typed secret.Value) error {
	_, err := b.argon(ctx, passwords, "", typed, make([]byte, 16), argonTime, argonMemory)
	return err
}
