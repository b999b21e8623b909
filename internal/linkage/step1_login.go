package linkage

import (
	"context"
	"encoding/json"
	"errors"
	"time"
	"unicode/utf8"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/login"
	"renkei.dev/internal/secret"
)

const (
	maxPassword = 256             // characters; what is longer is not sent to the bank
	hastyFor    = 1 * time.Second // a form that is sent sooner was not typed
	seenFor     = 400 * 24 * time.Hour
	othersFor   = 3 * time.Second // how long a press waits for others' of the same login
)

// door is one of the two ways to log in.
type door struct {
	button Button
	key    login.Key
	secret []secret.Value // what was typed; the same again is the same press
	wrong  []FieldError   // what is wrong with what was typed, before anybody is asked
	ask    func(context.Context) (corebank.User, error)
	refuse func(left int) FieldError
}

// LogIn is API連携 of AL-120.
func (s *Service) LogIn(ctx context.Context, v Visit, p LoginPress) (Result, error) {
	return s.logIn(ctx, v, LoginStep, LogIn, func(st *standing) door {
		id, ok := login.CleanID(p.LoginID)
		st.pre.State.LoginID, st.st.LoginID = clip(p.LoginID), clip(p.LoginID)
		d := door{
			button: LogIn,
			key:    s.idKey(id),
			secret: []secret.Value{secret.Of(login.FoldID(id)), p.Password},
			ask: func(ctx context.Context) (corebank.User, error) {
				return s.Bank.CheckPassword(ctx, corebank.LoginID(id), p.Password)
			},
			refuse: func(int) FieldError {
				return FieldError{Field: PasswordField, Fault: WrongLogin, Wide: login.Wide(p.Password.Reveal())}
			},
		}
		switch {
		case p.LoginID == "":
			d.wrong = append(d.wrong, FieldError{Field: LoginIDField, Fault: Missing})
		case !ok:
			d.wrong = append(d.wrong, FieldError{Field: LoginIDField, Fault: TooLong})
		}
		d.wrong = append(d.wrong, wrongPassword(p.Password)...)
		return d
	})
}

// LogInWithCertificate is API連携 of AL-111.
func (s *Service) LogInWithCertificate(ctx context.Context, v Visit, p CertificatePress) (Result, error) {
	return s.logIn(ctx, v, CertificateStep, LogInCertificate, func(st *standing) door {
		user := st.st.Certificate.User
		return door{
			button: LogInCertificate,
			key:    certificateKey(user),
			secret: []secret.Value{secret.Of(string(user)), p.Password},
			wrong:  wrongPassword(p.Password),
			ask: func(ctx context.Context) (corebank.User, error) {
				if err := s.Bank.CheckPasswordOf(ctx, user, p.Password); err != nil {
					return corebank.User{}, err
				}
				return s.Bank.User(ctx, user)
			},
			refuse: func(left int) FieldError {
				return FieldError{Field: PasswordField, Fault: WrongPassword, Left: left, Wide: login.Wide(p.Password.Reveal())}
			},
		}
	})
}

func (s *Service) idKey(id string) login.Key {
	return login.Key{Way: login.ByID, Subject: s.keyed("login id", login.FoldID(id))}
}

func certificateKey(u corebank.UserID) login.Key {
	return login.Key{Way: login.ByCertificate, Subject: string(u)}
}

func wrongPassword(password secret.Value) []FieldError {
	switch n := utf8.RuneCountInString(password.Reveal()); {
	case n == 0:
		return []FieldError{{Field: PasswordField, Fault: Missing}}
	case n > maxPassword:
		return []FieldError{{Field: PasswordField, Fault: TooLong}}
	}
	return nil
}

// shown is what became of a press of API連携.
type shown struct {
	Errors []FieldError `json:",omitempty"`
	Cause  *Cause       `json:",omitempty"`
	Begun  bool         `json:",omitempty"` // it let somebody in: the journey itself has the rest
}

// logIn runs a press of API連携. There is no row of the journey yet: the claim is
// a row of the press itself.
func (s *Service) logIn(ctx context.Context, v Visit, step Step, b Button, doorOf func(*standing) door) (Result, error) {
	patience, cancel := context.WithTimeout(ctx, othersFor)
	defer cancel()
	for range maxRounds {
		st, err := s.stand(ctx, v)
		if err != nil {
			return Result{}, s.refuseForeign(ctx, v, b, err)
		}
		if st.pre == nil || st.step() != step {
			r, _, err := s.notHere(ctx, st, b)
			return r, err
		}
		d := doorOf(st)
		press := pressOf(*st.pre, b, d.secret...)
		if r, begun, err := s.begun(ctx, st, press); begun || err != nil {
			return r, err
		}
		if s.timeOver(st) || !s.fresh(st) {
			return s.refusedBefore(ctx, st, b)
		}
		if len(d.wrong) > 0 {
			j, err := s.page(ctx, st)
			j.Errors = d.wrong
			return Result{Journey: j}, err
		}
		row, err := s.Store.LoginPress(ctx, press)
		switch {
		case err == nil && len(row.Outcome) > 0:
			r, err := s.sameAgain(ctx, st, row)
			if isConflict(err) {
				continue
			}
			return r, err
		case err == nil && st.now.Before(row.Until):
			if err := s.awaitLogin(ctx, row); err != nil {
				return Result{}, err
			}
			continue
		case err != nil && !errors.Is(err, fault.NotFound):
			return Result{}, fault.Wrap(fault.Of(err), "find a press", err)
		}
		claimed, tickets, r, err := s.claimLogin(ctx, patience, st, d, press)
		if isConflict(err) {
			continue
		}
		if err != nil || r != nil {
			if r == nil {
				r = &Result{}
			}
			return *r, err
		}
		answer := s.askLogin(ctx, st, d)
		result, err := s.settleLogin(ctx, st, d, claimed, tickets[d.key], answer)
		if isConflict(err) {
			continue
		}
		return result, err
	}
	return Result{}, fault.New(fault.Unavailable, "too many presses at once of one login")
}

// refusedBefore answers a press before the login that is stale or too late.
func (s *Service) refusedBefore(ctx context.Context, st *standing, b Button) (Result, error) {
	why := "stale"
	if s.timeOver(st) {
		why = "expired"
	}
	if err := s.record(ctx, denied(detail(st.act(PressRefused), "button", string(b), "step", string(st.step())), why)); err != nil {
		return Result{}, err
	}
	j, err := s.page(ctx, st)
	return Result{Journey: j, Stale: why == "stale"}, err
}

// begun answers a press whose journey has begun already: who repeats the very
// press that began it goes on there, anybody else holds a cookie that is dead.
func (s *Service) begun(ctx context.Context, st *standing, press secret.Digest) (Result, bool, error) {
	row, staged, consent, err := s.Store.Journey(ctx, st.row.ID)
	if errors.Is(err, fault.NotFound) {
		return Result{}, false, nil
	}
	if err != nil {
		return Result{}, false, fault.Wrap(fault.Of(err), "find a journey", err)
	}
	if row.Version != 1 || !row.Press.Equal(press) {
		return Result{}, true, s.refuseForeign(ctx, st.visit, row.Button, foreign())
	}
	now := &standing{now: st.now, visit: st.visit, row: row, staged: staged, consent: consent, partner: st.partner}
	if now.st, err = s.openState(row.ID, row.Sealed); err != nil {
		return Result{}, true, err
	}
	r, err := s.result(ctx, now)
	return r, true, err
}

// claimLogin takes the press and its try. A result is returned where nobody is
// to be asked: no try is left, or the address pressed too often. Where others
// press for the same login just now, the tries that they took may come back, so
// that for a while it waits before it says so.
func (s *Service) claimLogin(ctx, patience context.Context, st *standing, d door, press secret.Digest) (LoginPressRow, map[login.Key]login.Ticket, *Result, error) {
	limit := s.Rules.Login.Password.Limit()
	counted, tickets, err := s.take(ctx, st.now, []login.Key{d.key}, limit)
	if err != nil {
		return LoginPressRow{}, nil, nil, err
	}
	if len(tickets) == 0 {
		if s.triesMoved(ctx, patience, d.key) {
			return LoginPressRow{}, nil, nil, fault.New(fault.Conflict, "tries of the same login came back")
		}
		r, err := s.loginStopped(ctx, st, d)
		return LoginPressRow{}, nil, &r, err
	}
	row := LoginPressRow{Press: press, Nonce: s.NextID(), Until: st.now.Add(s.Rules.BankFor + leaseSlack)}
	err = s.Store.Commit(ctx, LoginClaimed{
		Row: row, Now: st.now, Counters: counted, Rate: s.rate(st),
		Done: detail(st.act(LoginTried), "button", string(d.button)),
	})
	if _, exceeded := errors.AsType[login.RateExceeded](err); exceeded {
		if err := s.record(ctx, denied(st.act(LoginDone), "rate_limited")); err != nil {
			return row, nil, nil, err
		}
		j, err := s.page(ctx, st)
		j.Errors = []FieldError{{Field: WholePage, Fault: TooMany}}
		return row, nil, &Result{Journey: j}, err
	}
	return row, tickets, nil, err
}

// triesMoved waits while tries of a login are under way, and tells whether one
// of them ended.
func (s *Service) triesMoved(ctx, patience context.Context, k login.Key) bool {
	first, err := s.Store.Counters(ctx, k)
	if err != nil {
		return false
	}
	if _, stopped := first[0].Stopped(s.now(), s.Rules.Login.Password.Limit()); !stopped {
		return true // it moved already
	}
	if !first[0].UnderWay() {
		return false
	}
	err = s.await(patience, func() (bool, error) {
		now, err := s.Store.Counters(ctx, k)
		return err == nil && now[0].Version != first[0].Version, err
	})
	return err == nil
}

func (s *Service) rate(st *standing) *login.Rate {
	if s.Rules.Login.PerMinute == 0 || !st.visit.Address.IsValid() {
		return nil
	}
	return &login.Rate{
		Subject: s.keyed("address", login.AddressOf(st.visit.Address)),
		Minute:  st.now.Truncate(time.Minute), Limit: s.Rules.Login.PerMinute,
	}
}

// loginStopped answers a press while the login is stopped: no password is
// checked, and the page says when it may be tried again.
func (s *Service) loginStopped(ctx context.Context, st *standing, d door) (Result, error) {
	counters, err := s.Store.Counters(ctx, d.key)
	if err != nil {
		return Result{}, fault.Wrap(fault.Of(err), "count tries", err)
	}
	if err := s.record(ctx, denied(detail(st.act(LoginDone), "button", string(d.button)), "stopped")); err != nil {
		return Result{}, err
	}
	until, _ := counters[0].Stopped(st.now, s.Rules.Login.Password.Limit())
	cause := stoppedUntil(until)
	return s.heldUp(ctx, st, nil, &cause, false)
}

// heldUp returns the page for a press before the login that led nowhere, and
// the cookie that remembers why.
func (s *Service) heldUp(ctx context.Context, st *standing, wrong []FieldError, cause *Cause, hop bool) (Result, error) {
	st.pre.State.LastErrors, st.pre.State.LastCause, st.pre.State.LastHop = wrong, cause, hop
	st.row, st.st = st.pre.Row, st.pre.State
	r, err := s.preludeResult(ctx, st)
	if err == nil && cause != nil && r.Journey.Ended == nil {
		r.Journey = ended(r.Journey, *cause)
	}
	return r, err
}

func stoppedUntil(until time.Time) Cause {
	return Cause{Code: UseStopped, Reason: UserLocked, Stopped: LoginStopped, Until: until, CanLeave: true}
}

// settleLogin decides what a press of API連携 came to and commits it.
func (s *Service) settleLogin(ctx context.Context, st *standing, d door, row LoginPressRow, ticket login.Ticket, a bankLogin) (Result, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitFor)
	defer cancel()
	limit := s.Rules.Login.Password.Limit()
	fate, coreLeft := login.FateOf(a.err)
	fates := []settled{{ticket, fate, coreLeft}}
	for range maxRounds {
		counted, err := s.resettle(ctx, fates, limit)
		if err != nil {
			return Result{}, err
		}
		change, out, after, err := s.decideLogin(ctx, st, d, row, fates[0], a, counted)
		if err != nil {
			return Result{}, err
		}
		err = s.Store.Commit(ctx, change)
		if err == nil && after != nil {
			s.memory.remember(after.row, after.st)
			return s.result(ctx, after)
		}
		if err == nil {
			return s.notIn(ctx, st, out)
		}
		if !isConflict(err) {
			return Result{}, fault.Wrap(fault.Of(err), "commit a login", err)
		}
		now, e := s.Store.LoginPress(ctx, row.Press)
		if e != nil {
			return Result{}, fault.Wrap(fault.Of(e), "find a press", e)
		}
		if now.Nonce != row.Nonce || len(now.Outcome) > 0 {
			return Result{}, err
		}
		if _, _, _, e := s.Store.Journey(ctx, st.row.ID); e == nil {
			return Result{}, err
		}
	}
	return Result{}, fault.New(fault.Unavailable, "counters keep moving")
}

// decideLogin returns the change of a press of API連携, and either what is shown
// or the journey that it begins.
func (s *Service) decideLogin(ctx context.Context, st *standing, d door, row LoginPressRow, try settled, a bankLogin, counted []login.Counted) (LoginSettled, shown, *standing, error) {
	c := LoginSettled{Row: row, Counters: counted}
	done := detail(st.act(LoginDone), "button", string(d.button))
	var out shown
	switch {
	case a.err == nil && a.after == nil:
		in := entry{button: d.button, at: st.now, method: corebank.PasswordLogin}
		if d.button == LogInCertificate {
			in.method = corebank.CertificateLogin
		}
		after, seen, session, act := s.letIn(st, in, row.Press, a)
		var err error
		if after.row.Sealed, err = s.sealState(after.row.ID, after.st); err != nil {
			return c, out, nil, err
		}
		c.Begins, c.Seen, c.Session, c.Done = &after.row, seen, session, act
		c.Row.Outcome, err = json.Marshal(shown{Begun: true})
		return c, out, after, err
	case a.err == nil: // the password was right, but the bank went silent after it
		cause, why := bankCause(a.after)
		out.Cause, c.Done = &cause, failed(done, why)
	case try.fate == login.Wrong, try.fate == login.Locked, errors.Is(a.err, fault.NotFound):
		out, c.Done = s.wrongLogin(st, d, try, counted, done)
	default:
		cause, why := bankCause(a.err)
		out.Cause, c.Done = &cause, failed(done, why)
	}
	var err error
	if c.Row.Outcome, err = json.Marshal(out); err != nil {
		return c, out, nil, fault.Wrap(fault.Internal, "write what a press came to", err)
	}
	return c, out, nil, nil
}

// wrongLogin says that what was typed is wrong: with the same words for every
// cause at the ID door, and how many tries are left to a certificate's holder.
// The try that stops the login says so at once.
func (s *Service) wrongLogin(st *standing, d door, try settled, counted []login.Counted, done audit.Act) (shown, audit.Act) {
	why := "wrong_login"
	if try.fate == login.Locked {
		why = "locked_by_bank"
	}
	done = denied(done, why)
	limit := s.Rules.Login.Password.Limit()
	counter := login.New(d.key)
	for _, c := range counted {
		counter = c.To
	}
	if until, stopped := counter.Stopped(st.now, limit); stopped {
		cause := stoppedUntil(until)
		return shown{Cause: &cause}, done
	}
	left := counter.Left(st.now, limit)
	if try.coreLeft >= 0 {
		left = min(left, try.coreLeft)
	}
	if try.fate == login.Locked && d.button == LogInCertificate {
		cause := Cause{Code: UseStopped, Reason: UserLocked, Stopped: LoginStopped, Unlock: Branch, CanLeave: true}
		return shown{Cause: &cause}, done
	}
	return shown{Errors: []FieldError{d.refuse(left)}}, done
}

// notIn returns the page for a press that let nobody in: the next one carries
// another cookie, so that trying the same again is another press.
func (s *Service) notIn(ctx context.Context, st *standing, out shown) (Result, error) {
	st.pre.Try++
	st.pre.Row.TouchedAt = st.now
	return s.heldUp(ctx, st, out.Errors, out.Cause, false)
}

// sameAgain shows what a press came to, to whoever sends the same again. Errors:
// fault.Conflict when the journey began a moment ago.
func (s *Service) sameAgain(ctx context.Context, st *standing, row LoginPressRow) (Result, error) {
	var out shown
	if err := json.Unmarshal(row.Outcome, &out); err != nil {
		return Result{}, fault.Wrap(fault.Internal, "read what a press came to", err)
	}
	if out.Begun {
		return Result{}, fault.New(fault.Conflict, "the journey has begun")
	}
	return s.notIn(ctx, st, out)
}

func (s *Service) awaitLogin(ctx context.Context, held LoginPressRow) error {
	return s.await(ctx, func() (bool, error) {
		row, err := s.Store.LoginPress(ctx, held.Press)
		if err != nil {
			return false, fault.Wrap(fault.Of(err), "find a press", err)
		}
		return len(row.Outcome) > 0 || row.Nonce != held.Nonce || !s.now().Before(row.Until), nil
	})
}

// keyed names something by what nobody can read back from the database.
func (s *Service) keyed(what, value string) string {
	mac := secret.MAC(s.Key, subjectKind, s.Institution+"\x00"+what, secret.Of(value))
	return b64.EncodeToString(mac[:18])
}

// clip keeps what was typed as an id short enough for a cookie.
func clip(id string) string {
	r := []rune(id)
	return string(r[:min(len(r), 64)])
}
