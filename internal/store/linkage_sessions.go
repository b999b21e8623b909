package store

import (
	"context"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/secret"
)

var sessionByDigest = lookUpOne(`SELECT user_id, auth_at, method, questioned, until FROM sign_in_sessions
	WHERE institution = $1 AND digest = $2`, "text", "bytea")

// Session returns a sign-in session. Errors: fault.NotFound.
func (in *Institution) Session(ctx context.Context, digest secret.Digest) (linkage.Session, error) {
	s := linkage.Session{Digest: digest}
	var user, method string
	var auth, until, questioned int64
	err := find(ctx, in.read, sessionByDigest, []any{&user, &auth, &method, &questioned, &until}, in.id, digest[:])
	s.Questioned = questioned == 1
	s.User, s.Method = corebank.UserID(user), corebank.LoginMethod(method)
	s.AuthAt, s.Until = fromMicros(auth), fromMicros(until)
	return s, found(err, "find a session")
}

// applySession begins a session and ends the one in whose place it stands, or
// ends one.
func (in *Institution) applySession(ctx context.Context, t tx, s *linkage.SessionBegun, ends *secret.Digest) error {
	if s != nil && s.InPlaceOf != (secret.Digest{}) {
		ends = &s.InPlaceOf
	}
	if ends != nil {
		err := t.Do(ctx, `DELETE FROM sign_in_sessions WHERE institution = $1 AND digest = $2`, in.id, ends[:])
		if err != nil {
			return err
		}
	}
	if s == nil {
		return nil
	}
	return t.Do(ctx, `INSERT INTO sign_in_sessions (institution, digest, user_id, auth_at, method, questioned, until)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		in.id, s.Digest[:], string(s.User), micros(s.AuthAt), string(s.Method), oneIf(s.Questioned), micros(s.Until))
}

func (in *Institution) applySessionEnded(ctx context.Context, t tx, c linkage.SessionEnded) error {
	return t.Must(ctx, `DELETE FROM sign_in_sessions WHERE institution = $1 AND digest = $2`, in.id, c.Digest[:])
}
