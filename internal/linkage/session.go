package linkage

import (
	"context"
	"errors"
	"slices"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/login"
	"renkei.dev/internal/secret"
)

// Session is a login that outlives its journey, where the institution sets
// Rules.SessionFor: as long as it lasts, its browser skips step 1 (rule 7;
// protocol.md §1). It is known by the digest of its cookie, and every login
// begins another.
type Session struct {
	Digest     secret.Digest
	User       corebank.UserID
	AuthAt     time.Time
	Method     corebank.LoginMethod
	Questioned bool // the login included the additional question
	Until      time.Time
}

// SessionBegun is the session that a login begins, in the place of the one that
// its browser held. It is a part of the change that it belongs to.
type SessionBegun struct {
	Session
	InPlaceOf secret.Digest // zero: none
}

// SessionEnded ends a session.
type SessionEnded struct {
	Digest secret.Digest
	Done   audit.Act
}

// Act returns the act of the change.
func (c SessionEnded) Act() audit.Act { return c.Done }

// entry is how a user came in.
type entry struct {
	button     Button // that proved it; empty: a session
	at         time.Time
	method     corebank.LoginMethod
	questioned bool
}

const (
	sessionPrefix             = "ses_"
	sessionKind   secret.Kind = "sign-in session"
)

// sessionToken returns the cookie of the session that a journey began. As the
// journey's own cookies it is made from the seed, so that whoever repeats the
// press is given the very same one.
func sessionToken(st state, id JourneyID) secret.Value {
	mac := secret.MAC(st.Seed, sessionKind, placeOf(id, st.SessionVersion), secret.Value{})
	return secret.Of(sessionPrefix + b64.EncodeToString(mac[:]))
}

// sessionDigest names the session of a cookie; false: there is none.
func (s *Service) sessionDigest(cookie secret.Value) (secret.Digest, bool) {
	if text, is := cutPrefix(cookie, sessionPrefix); !is || len(text) != b64.EncodedLen(len(secret.Digest{})) {
		return secret.Digest{}, false
	}
	return secret.DigestOf(sessionKind, s.Institution, cookie), true
}

// signIn begins a session with the login that let a user into this journey; nil
// where none begins. version is the one that the login makes.
func (s *Service) signIn(st *standing, t *state, user corebank.UserID, version int64) *SessionBegun {
	if s.Rules.SessionFor <= 0 || t.Reused || !t.LetIn || t.Cause != nil {
		return nil
	}
	t.SessionVersion = version
	until := t.AuthAt.Add(s.Rules.SessionFor)
	if c := t.Certificate; c != nil && t.Method == corebank.CertificateLogin && c.Facts.NotAfter.Before(until) {
		until = c.Facts.NotAfter // it proves nobody any longer than the certificate itself
	}
	token := sessionToken(*t, st.row.ID)
	b := &SessionBegun{Session: Session{
		Digest: secret.DigestOf(sessionKind, s.Institution, token), User: user, AuthAt: t.AuthAt, Method: t.Method,
		Questioned: t.Question != nil, Until: until,
	}}
	b.InPlaceOf, _ = s.sessionDigest(st.visit.Session)
	return b
}

// session finds the session that a browser holds; false: none that lasts.
func (s *Service) session(ctx context.Context, v Visit, now time.Time) (Session, bool, error) {
	digest, ok := s.sessionDigest(v.Session)
	if s.Rules.SessionFor <= 0 || !ok {
		return Session{}, false, nil
	}
	found, err := s.Store.Session(ctx, digest)
	if errors.Is(err, fault.NotFound) {
		return Session{}, false, nil
	}
	if err != nil {
		return Session{}, false, fault.Wrap(fault.Of(err), "find a session", err)
	}
	lasts := now.Before(found.Until) && now.Before(found.AuthAt.Add(s.Rules.SessionFor))
	return found, lasts, nil
}

// SignedIn tells whether a browser holds a session that lasts.
func (s *Service) SignedIn(ctx context.Context, v Visit) bool {
	_, ok, err := s.session(ctx, v, s.now())
	return ok && err == nil
}

// resume lets the user of a session into a new journey, without step 1: what the
// bank says of them now is asked, and the risk rules. The journey stays in its
// cookie until the first press (carried.go), or one commit writes it. nil: this
// journey begins with the login. So it does when anything is in doubt, also when
// the bank does not answer: the login's page says so.
func (s *Service) resume(ctx context.Context, st *standing) (*Opening, error) {
	if st.st.Asked.Relogin {
		return nil, nil
	}
	session, ok, err := s.session(ctx, st.visit, st.now)
	if !ok || err != nil {
		return nil, err
	}
	bank, cancel := context.WithTimeout(ctx, s.Rules.BankFor)
	defer cancel()
	user, err := s.Bank.User(bank, session.User)
	if err != nil {
		return nil, s.unlessUnknown(ctx, st, session, err)
	}
	if user.ID != session.User {
		return nil, nil // the bank speaks of somebody else
	}
	key := s.idKey(string(user.LoginID))
	if session.Method == corebank.CertificateLogin {
		key = certificateKey(user.ID)
	}
	a := bankLogin{user: user}
	var unheld error // why the bank does not say what there is to link
	if a.holdings, unheld = s.askBank(bank, user.ID); unheld != nil {
		a.holdings = holdings{}
	}
	seen := user.ID
	if !s.Rules.SteppedUp {
		seen = ""
	}
	known, err := s.Store.Known(ctx, seen, triesOf(key, user.ID), a.ids())
	if err != nil {
		return nil, fault.Wrap(fault.Of(err), "find what is known of a user", err)
	}
	a.seen, a.tries, a.pins = known.Seen, known.Tries, known.PINs
	if why := s.overBy(st.now, session, user, a.tries[0]); why != "" {
		return nil, s.endSession(ctx, st, session, why)
	}
	if fits, err := s.isMeant(ctx, st.st.Asked, session, user); !fits || err != nil {
		return nil, err
	}
	if s.weigh(st, false, &a); a.verdict.Asks {
		unheld = s.pickQuestion(bank, &a)
	}
	if unheld != nil {
		return nil, nil
	}
	a.usual = true // whoever holds the cookie teaches the risk rules nothing: it proved no user
	in := entry{at: session.AuthAt, method: session.Method, questioned: session.Questioned}
	after, _, _, act := s.letIn(st, in, secret.Digest{}, a)
	o := &Opening{Journey: after.row.ID, Step: after.row.Step}
	if st.visit.Device.Token.IsEmpty() {
		o.Device = deviceToken(after.st)
	}
	var fits bool
	if o.Cookie, fits, err = s.carry(after, session, act.Detail); fits || err != nil {
		return o, err
	}
	o.Cookie = cookieOf(after.st, after.row.ID, after.row.Version)
	if after.row.Sealed, err = s.sealState(after.row.ID, after.st); err != nil {
		return nil, err
	}
	err = s.Store.Commit(ctx, JourneyBegun{Row: after.row, Session: &session.Digest, Done: act})
	if isConflict(err) {
		return nil, nil // the session ended while the bank was asked
	}
	if err == nil {
		s.memory.remember(after.row, after.st)
	}
	return o, err
}

// unlessUnknown ends the session of a user whom the bank does not know any more.
func (s *Service) unlessUnknown(ctx context.Context, st *standing, session Session, err error) error {
	if errors.Is(err, fault.NotFound) {
		return s.endSession(ctx, st, session, "unknown")
	}
	return nil // the login's page says that the bank does not answer
}

// overBy says why a session is over before its time; empty: it is not. tries are
// those of its login.
func (s *Service) overBy(now time.Time, session Session, u corebank.User, tries login.Counter) string {
	switch cause := s.standingOf(u); {
	case cause != nil:
		return string(cause.Reason)
	case u.Method != session.Method:
		return "method_changed"
	case u.PasswordAt.After(session.AuthAt):
		return "password_changed"
	}
	if _, stopped := tries.Stopped(now, s.Rules.Login.Password.Limit()); stopped {
		return "stopped"
	}
	return ""
}

// isMeant tells whether the partner's request may be answered for the session's
// user: it is whom the partner means, and logged in as the partner demands.
func (s *Service) isMeant(ctx context.Context, a Asked, session Session, u corebank.User) (bool, error) {
	if hint, ok := login.CleanID(a.LoginHint); ok && login.FoldID(hint) != login.FoldID(string(u.LoginID)) {
		return false, nil
	}
	if len(a.ACRs) > 0 && !slices.Contains(a.ACRs, acrOf(state{Method: session.Method, Questioned: session.Questioned})) {
		return false, nil
	}
	if a.Grant == "" {
		return true, nil
	}
	old, err := s.Store.Consent(ctx, a.Grant)
	if err != nil && !errors.Is(err, fault.NotFound) {
		return false, fault.Wrap(fault.Of(err), "find a consent", err)
	}
	return err != nil || old.User == session.User, nil
}

func (s *Service) endSession(ctx context.Context, st *standing, session Session, why string) error {
	act := denied(st.act(SessionEndedName), why)
	act.Actor = audit.Actor{Kind: audit.Customer, ID: string(session.User)}
	err := s.Store.Commit(ctx, SessionEnded{Digest: session.Digest, Done: act})
	if isConflict(err) {
		return nil // it ended a moment ago
	}
	return err
}

// SwitchUser is 別の利用者としてログインする of a journey that skipped the login:
// its session ends, and the same request begins anew with the login. The result
// has the journey to go on with in Again.
func (s *Service) SwitchUser(ctx context.Context, v Visit) (Result, error) {
	return press(ctx, s, v, move[struct{}]{
		button: SwitchUser,
		check: func(st *standing) []FieldError {
			if !st.st.Reused {
				return []FieldError{{Field: WholePage, Fault: NotOffered}}
			}
			return nil
		},
		decide: func(st *standing, _ struct{}) (outcome, error) {
			out := outcome{state: st.st, act: detail(st.act(SessionEndedName), "why", "another_user")}
			out.state.LastErrors, out.state.LastCause = nil, nil
			out.state.Cause = &Cause{Code: RequestUnknown, Reason: NotPermitted} // it goes on in the other journey
			if digest, ok := s.sessionDigest(v.Session); ok {
				out.endSession = &digest
			} else if st.carried != nil {
				out.endSession = (*secret.Digest)(st.carried.Session)
			}
			return out, nil
		},
	})
}

// again opens the request of a journey that was left for another user. Nothing
// is written, and the time in all goes on.
func (s *Service) again(st *standing) (*Opening, error) {
	asked := st.st.Asked
	asked.Relogin, asked.LoginHint = true, ""
	pre := s.newPrelude(asked, st.now)
	pre.Row.BeganAt = st.row.BeganAt
	cookie, err := s.sealPrelude(pre)
	return &Opening{Journey: pre.Row.ID, Step: LoginStep, Cookie: cookie}, err
}
