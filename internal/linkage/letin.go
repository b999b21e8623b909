package linkage

import (
	"context"
	"slices"
	"strconv"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/login"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/secret"
)

// bankLogin is what the bank said to a press of API連携.
type bankLogin struct {
	user      corebank.User
	err       error // of the password itself
	after     error // of what is asked once the password was right
	verdict   login.Verdict
	with      []login.Sighting
	usual     bool // nothing of with needs to be kept anew
	question  *corebank.Question
	noAnswers bool
	stopped   bool // the additional question is stopped
	seen      []login.Sighting
	tries     []login.Counter // of the login and of the additional question
	holdings
}

// holdings are what the bank and we know of what a user could link.
type holdings struct {
	rights   []corebank.Right
	accounts []corebank.Account
	pins     []StoredPIN
}

// askLogin asks the bank for the password, and if it is right for what the next
// page needs.
func (s *Service) askLogin(ctx context.Context, st *standing, d door) bankLogin {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Rules.BankFor)
	defer cancel()
	var a bankLogin
	if a.user, a.err = d.ask(ctx); a.err != nil {
		return a
	}
	if s.standingOf(a.user) != nil {
		return a
	}
	if s.Rules.SteppedUp {
		var known Known
		if known, a.after = s.Store.Known(ctx, a.user.ID, triesOf(d.key, a.user.ID), nil); a.after != nil {
			return a
		}
		a.seen, a.tries = known.Seen, known.Tries
	}
	if s.weigh(st, st.now.Sub(st.row.TouchedAt) < hastyFor, &a); a.verdict.Asks {
		a.after = s.pickQuestion(ctx, &a)
	} else {
		a.holdings, a.after = s.askHoldings(ctx, a.user.ID)
	}
	return a
}

func (s *Service) askHoldings(ctx context.Context, user corebank.UserID) (holdings, error) {
	h, err := s.askBank(ctx, user)
	if err == nil {
		h.pins, err = s.Store.PINs(ctx, h.ids())
	}
	return h, err
}

// askBank asks the bank for its part of the holdings.
func (s *Service) askBank(ctx context.Context, user corebank.UserID) (h holdings, err error) {
	if h.rights, err = s.Bank.Rights(ctx, user); err == nil {
		h.accounts, err = s.Bank.Accounts(ctx, user)
	}
	return h, err
}

func (h holdings) ids() []corebank.AccountID {
	ids := make([]corebank.AccountID, 0, len(h.accounts))
	for _, a := range h.accounts {
		ids = append(ids, a.ID)
	}
	return ids
}

// weigh gathers the facts of the login and decides whether to ask a question.
func (s *Service) weigh(st *standing, hasty bool, a *bankLogin) {
	device := st.visit.Device.Token
	if device.IsEmpty() {
		device = deviceToken(st.st)
	}
	a.with = []login.Sighting{
		{Trait: login.Device, Value: s.keyed("device", device.Reveal()), LastAt: st.now},
		{Trait: login.Network, Value: s.keyed("network", login.NetworkOf(st.visit.Address)), LastAt: st.now},
		{Trait: login.Partner, Value: string(st.row.Partner), LastAt: st.now},
		{Trait: login.Hour, Value: login.HourOf(st.now), LastAt: st.now},
	}
	if !s.Rules.SteppedUp {
		return
	}
	facts := login.FactsOf(a.seen, a.with)
	a.usual = login.Usual(a.seen, a.with)
	facts.Flagged = a.user.Flagged
	facts.Hasty = hasty
	facts.RecentFailures = a.tries[0].Wrong
	a.verdict = s.Rules.Login.Risk.Judge(facts)
	_, a.stopped = a.tries[1].Stopped(st.now, s.answerLimit())
}

// triesOf names the counters of a login and of its user's answers, in this order.
func triesOf(key login.Key, user corebank.UserID) []login.Key {
	return []login.Key{key, answerKey(user)}
}

// pickQuestion chooses one of the user's own questions. It stays the same for
// the whole journey, so that nobody can draw an easier one.
func (s *Service) pickQuestion(ctx context.Context, a *bankLogin) error {
	questions, err := s.Bank.Questions(ctx, a.user.ID)
	if err != nil {
		return err
	}
	if len(questions) == 0 {
		a.noAnswers = true
		return nil
	}
	a.question = &questions[pick(len(questions))]
	return nil
}

// letIn returns the journey of a user who proved who they are, at whatever page
// is theirs: the question, the first of the pages after it, or the page that
// says why they cannot link. Its state is not sealed yet.
func (s *Service) letIn(st *standing, in entry, press secret.Digest, a bankLogin) (*standing, *login.Seen, *SessionBegun, audit.Act) {
	after := *st
	after.pre = nil
	t := &after.st
	t.LoginID, t.LastErrors, t.LastCause = "", nil, nil
	t.AuthAt, t.Method, t.Questioned, t.Reused = in.at, in.method, in.questioned, in.button == ""
	t.UserName, t.CompanyName, t.Role, t.With = a.user.Name, a.user.Company.Name, a.user.Role, a.with
	name := SessionUsed
	if !t.Reused {
		name, t.Visited = LoginDone, []Step{LoginStep}
	}
	after.row.User, after.row.Company = a.user.ID, a.user.Company.ID
	after.row.Version, after.row.Button, after.row.Press = firstVersion, in.button, press
	after.row.TouchedAt = st.now

	var seen *login.Seen
	act := detail(after.act(name), "button", string(in.button))
	if t.Reused {
		act = detail(after.act(name), "logged_in_at", in.at.Format(time.RFC3339), "method", string(in.method))
	}
	switch cause := s.standingOf(a.user); {
	case cause != nil:
		t.Cause = cause
		act = denied(act, string(cause.Reason)+standingWord(cause))
	case a.verdict.Asks && (a.noAnswers || a.question == nil):
		t.Cause = &Cause{Code: SetUpMissing, Reason: NotSetUp, Standing: corebank.AnswersMissing, Unlock: Customer, CanLeave: true}
		act = denied(act, "answers_missing")
	case a.verdict.Asks && a.stopped:
		t.Cause = answersStopped(a.user.Role)
		act = denied(act, "answers_stopped")
	case a.verdict.Asks:
		t.Question = a.question
	default:
		*t = s.enter(*t, a.user.ID, after.partner, a.holdings)
		if t.Cause != nil {
			act = denied(act, string(t.Cause.Reason))
		}
		if !a.usual {
			seen = s.seen(&after, a.with)
		}
	}
	session := s.signIn(&after, t, a.user.ID, after.row.Version)
	act.Detail["score"] = strconv.Itoa(a.verdict.Score)
	for _, p := range a.verdict.Because {
		act.Detail["risk_"+p.Fact] = strconv.Itoa(p.Weight)
	}
	act.Detail["asks"] = strconv.FormatBool(a.verdict.Asks)
	after.row.Step = after.step()
	return &after, seen, session, act
}

// seen is what becomes usual for a user who was let in.
func (s *Service) seen(st *standing, with []login.Sighting) *login.Seen {
	return &login.Seen{User: st.row.User, With: with, Oldest: st.now.Add(-seenFor)}
}

// standingOf says why a user whose password is right cannot link; nil if they
// can.
func (s *Service) standingOf(u corebank.User) *Cause {
	switch u.Standing {
	case corebank.Stopped:
		return &Cause{Code: UseStopped, Reason: UserLocked, Stopped: UserStopped, Unlock: unlocker(u.Role), CanLeave: true}
	case corebank.NotSetUp, corebank.MustChange, corebank.AnswersMissing:
		return &Cause{Code: SetUpMissing, Reason: NotSetUp, Standing: u.Standing, Unlock: Customer, CanLeave: true}
	case corebank.ContractEnded:
		return &Cause{Code: ContractOver, Reason: ContractEnded, CanLeave: true}
	}
	// Master and administrators always may (rule 11).
	if u.Role == corebank.GeneralUser && (!u.MayLink || s.Rules.GeneralMayNot) {
		return &Cause{Code: NoPermission, Reason: NotPermitted, Unlock: Administrator, CanLeave: true}
	}
	return nil
}

func standingWord(c *Cause) string {
	if c.Standing != "" {
		return ":" + string(c.Standing)
	}
	return ""
}

// unlocker is who lifts a stop of a user of that role (domain.md §5.4).
func unlocker(r corebank.Role) Unlocker {
	switch r {
	case corebank.MasterUser:
		return Branch
	case corebank.AdminUser:
		return MasterOnly
	}
	return Administrator
}

// enter is the moment when a user has proved who they are: what there is to
// link is known, and with it which pages this journey has.
func (s *Service) enter(st state, user corebank.UserID, p partner.Partner, h holdings) state {
	st.LetIn, st.Rights, st.With = true, h.rights, nil
	st.Accounts = slices.DeleteFunc(slices.Clone(h.accounts), func(a corebank.Account) bool { return a.Closed })
	if len(st.Accounts) == 0 {
		st.Cause = &Cause{Code: NoAccount, Reason: NothingToLink, Unlock: Administrator, CanLeave: true}
		return st
	}
	for _, a := range st.Accounts {
		if pin, ok := s.pinOf(h.pins, user, a.ID); !ok || pin.State == Rejected {
			st.PINsAsked = true
		}
	}
	if st = s.offer(st, p); !st.Chooses {
		st.Rights = nil
	}
	return st
}
