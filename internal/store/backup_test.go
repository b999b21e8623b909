package store_test

import (
	"bytes"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/store"
)

// inhabited returns a database with a log, a live consent and one whose code was
// not redeemed.
func inhabited(t *testing.T, cfg store.Config) *store.DB {
	t.Helper()
	db := open(t, cfg)
	written(t, db, 300)
	for id, state := range map[string]string{"cns_live": "active", "cns_issued": "issued"} {
		err := db.Tamper(t.Context(), `INSERT INTO consents (institution, id, user_id, company_id, partner_id, client_id, state, end_reason,
				functions, accounts, history_days, given_at, ends_at, ended_at, replaces, terms, journey)
			VALUES ('demo', $1, 'usr', 'cmp', 'p', 'c', $2, '', '[]', '["口座"]', 90, 1, 9000000000000000, 0, '', '', 'J')`, id, state)
		if err != nil {
			t.Fatal(err)
		}
	}
	return db
}

func standing(t *testing.T, db *store.DB, consent string) string {
	t.Helper()
	var state string
	if err := db.Institution("demo").Row(t.Context(), `SELECT state FROM consents WHERE id = $1`, []any{consent}, &state); err != nil {
		t.Fatal(err)
	}
	return state
}

func TestABackupFromEitherDatabaseIsRestoredIntoEither(t *testing.T) {
	kinds := databases(t)
	for from, source := range kinds {
		for to, target := range kinds {
			t.Run(from+" to "+to, func(t *testing.T) {
				cfg := store.Config{URL: source(t), Box: box(t)}
				db := inhabited(t, cfg)
				var backup bytes.Buffer
				rows, err := store.Backup(t.Context(), cfg, &backup)
				if err != nil || rows < 303 {
					t.Fatalf("%d rows, %v", rows, err)
				}
				checked, report, err := store.VerifyBackup(t.Context(), cfg, bytes.NewReader(backup.Bytes()))
				if err != nil || checked != rows || report.Bad != nil || report.Sealed != 300 {
					t.Fatalf("verified %d rows: %+v, bad %v, %v", checked, report, report.Bad, err)
				}
				into := store.Config{URL: target(t), Box: box(t)}
				if restored, err := store.Restore(t.Context(), into, bytes.NewReader(backup.Bytes())); err != nil || restored != rows {
					t.Fatalf("%d rows, %v", restored, err)
				}
				again := open(t, into)
				if r := verify(t, again); r.Bad != nil || r.Sealed != 301 {
					t.Errorf("%+v, bad %v", r, r.Bad)
				}
				if live, issued := standing(t, again, "cns_live"), standing(t, again, "cns_issued"); live != "suspended" || issued != "ended" {
					t.Errorf("consents came back as %s and %s", live, issued)
				}
				if again.AuditLog().Public() != db.AuditLog().Public() {
					t.Error("the log has another key")
				}
				if _, err := store.Restore(t.Context(), into, bytes.NewReader(backup.Bytes())); err == nil || fault.Of(err) != fault.Refused {
					t.Errorf("restored over what was there: %v", err)
				}
			})
		}
	}
}

func TestADamagedBackupIsRefused(t *testing.T) {
	cfg := store.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "renkei.db"), Box: box(t)}
	inhabited(t, cfg)
	var backup bytes.Buffer
	if _, err := store.Backup(t.Context(), cfg, &backup); err != nil {
		t.Fatal(err)
	}
	whole := backup.Bytes()
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	for name, b := range map[string][]byte{"empty": nil, "cut off": whole[:len(whole)-100], "one bit flipped": flipped, "no backup": []byte("Dear bank")} {
		if _, _, err := store.VerifyBackup(t.Context(), cfg, bytes.NewReader(b)); err == nil || fault.Of(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestADatabaseThatWasSetBackIsRefusedUntilItIsAccepted(t *testing.T) {
	besides(t, func(t *testing.T, _, url string) {
		cfg := store.Config{URL: url, Box: box(t), CheckpointFile: filepath.Join(t.TempDir(), "checkpoints")}
		db := inhabited(t, cfg)
		cut := numbers(t, db)[299]
		written(t, db, 20) // the cancellations that are lost
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := store.AcceptSetBack(t.Context(), cfg, false); err == nil || fault.Of(err) != fault.Refused {
			t.Fatalf("a database that is as it was left: %v", err)
		}
		passive := cfg
		passive.Passive = true
		back := open(t, passive)
		if state := standing(t, back, "cns_live"); state != "active" {
			t.Fatalf("the consent of a database that was not set back is %s", state)
		}
		for _, sql := range []string{`DELETE FROM audit WHERE seq > %d`, `DELETE FROM audit_checkpoint WHERE last_seq > %d`} {
			if err := back.Tamper(t.Context(), fmt.Sprintf(sql, cut)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := store.Open(t.Context(), cfg); err == nil || fault.Of(err) != fault.Refused || !strings.Contains(err.Error(), "set back") {
			t.Fatalf("opened: %v", err)
		}
		if err := store.AcceptSetBack(t.Context(), cfg, false); err != nil {
			t.Fatal(err)
		}
		again := open(t, cfg)
		if state := standing(t, again, "cns_live"); state != "suspended" {
			t.Errorf("the consent is %s", state)
		}
		written(t, again, 1)
		if r := verify(t, again); r.Bad != nil {
			t.Error(r.Bad)
		}
	})
}

// O09: a backup knows nothing of what was cancelled after it was made.
func TestWhatWasCancelledAfterABackupStaysDeadInTheRestoredCopy(t *testing.T) {
	kinds := databases(t)
	delete(kinds, "serializable") // it is the same database
	for from, source := range kinds {
		for to, target := range kinds {
			t.Run(from+" to "+to, func(t *testing.T) {
				cfg := store.Config{URL: source(t), Box: box(t), Passive: true}
				k := leave(t, open(t, cfg))
				var backup bytes.Buffer
				if _, err := store.Backup(t.Context(), cfg, &backup); err != nil {
					t.Fatal(err)
				}
				s := k.s
				revoking := s.call(s.client, oauth.RevokeEndpoint, url.Values{"token": {k.tokens.Refresh.Reveal()}})
				if err := s.Engine.Revoke(t.Context(), revoking); err != nil {
					t.Fatal(err)
				}
				into := store.Config{URL: target(t), Box: box(t), Passive: true}
				if _, err := store.Restore(t.Context(), into, bytes.NewReader(backup.Bytes())); err != nil {
					t.Fatal(err)
				}
				s.whole = open(t, into)
				s.via = s.whole
				s.start()
				_, err := s.protocolWorld.open(s.client, k.tokens.Access.Reveal())
				wantFailure(t, err, oauth.InvalidToken)
				_, err = s.refresh(s.client, k.tokens.Refresh.Reveal())
				wantFailure(t, err, oauth.InvalidGrant)
				// What the staff resumes, and only that, works again.
				resumed := 0
				err = s.in().EachConsent(t.Context(), store.WhichConsents{State: linkage.Suspended}, func(c linkage.Consent) error {
					resumed++
					return s.svc.ResumeConsent(t.Context(), c.ID, audit.Actor{Kind: audit.Operator, ID: "staff"}, "it was not cancelled")
				})
				if err != nil || resumed != 1 {
					t.Errorf("%d consents waited, %v", resumed, err)
				}
				if _, err := s.refresh(s.client, k.tokens.Refresh.Reveal()); err != nil {
					t.Errorf("a consent that was resumed: %v", err)
				}
				if session, err := s.whole.Institution("whole").Session(t.Context(), k.session); fault.Of(err) != fault.NotFound {
					t.Errorf("a session came back as %+v, %v", session, err)
				}
				if token, err := s.whole.Institution("whole").InitialAccessToken(t.Context(), k.initial); err != nil || token.UsesLeft != 0 {
					t.Errorf("an initial access token came back as %+v, %v", token, err)
				}
			})
		}
	}
}
