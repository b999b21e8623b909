package linkage

import (
	"context"
	"errors"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/login"
	"renkei.dev/internal/secret"
)

const (
	leaseSlack  = 10 * time.Second // a claim outlives its question to the bank by this
	commitFor   = 10 * time.Second
	maxRounds   = 200 // of losing a compare-and-set before we give up
	firstPause  = 5 * time.Millisecond
	longestWait = 100 * time.Millisecond
)

// move is one button, in the shape that all of them have: stand at the step →
// check what was sent → claim the press by one compare-and-set that also takes
// its tries → ask the bank once → decide → one commit. A is what the bank said.
type move[A any] struct {
	button Button
	// check says what is wrong with what was sent; nothing was written yet.
	check func(*standing) []FieldError
	// keys are the tries that the claim takes. A button without ask has none:
	// its commit is its claim.
	keys  func(*standing) []login.Key
	limit login.Limit
	tried audit.Name
	// ask asks the bank, for the tries that were taken.
	ask func(context.Context, *standing, map[login.Key]login.Ticket) A
	// decide is pure: it returns the transition.
	decide func(*standing, A) (outcome, error)
}

// outcome is what a press comes to.
type outcome struct {
	state   state
	act     audit.Act
	fates   []settled
	seen    *login.Seen
	session *SessionBegun
	stage   []StagedPIN
	approve *Consent // given: the protocol is asked to approve
	deny    Reason   // left: the protocol is asked to deny

	endSession *secret.Digest
}

// settled is how one try ended.
type settled struct {
	ticket   login.Ticket
	fate     login.Fate
	coreLeft int
}

// press runs a button of a journey after its login.
func press[A any](ctx context.Context, s *Service, v Visit, m move[A]) (Result, error) {
	for range maxRounds {
		st, err := s.stand(ctx, v)
		if err != nil {
			return Result{}, s.refuseForeign(ctx, v, m.button, err)
		}
		if r, done, err := s.notHere(ctx, st, m.button); done || err != nil {
			return r, err
		}
		if st.now.Before(st.row.ClaimUntil) && st.row.Claim != 0 {
			if err := s.awaitClaim(ctx, st.row); err != nil {
				return Result{}, err
			}
			continue
		}
		if err := s.gather(ctx, st); err != nil {
			return Result{}, err
		}
		if m.check != nil {
			if wrong := m.check(st); len(wrong) > 0 {
				return s.wrongSent(ctx, st, m.button, wrong)
			}
		}
		claim := int64(0)
		var answer A
		var tickets map[login.Key]login.Ticket
		if m.ask != nil {
			claim, tickets, err = s.claim(ctx, st, m.button, m.tried, m.keysOf(st), m.limit)
			if errors.Is(err, fault.Conflict) {
				continue
			}
			if err != nil {
				return Result{}, err
			}
			bank, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Rules.BankFor)
			answer = m.ask(bank, st, tickets)
			cancel()
		}
		out, err := m.decide(st, answer)
		if err != nil {
			return Result{}, err
		}
		r, err := s.settle(context.WithoutCancel(ctx), st, m.button, claim, m.limit, out)
		if errors.Is(err, fault.Conflict) {
			continue // somebody else's press came first: see what it led to
		}
		return r, err
	}
	return Result{}, fault.New(fault.Unavailable, "too many presses at once on one journey")
}

func (m move[A]) keysOf(st *standing) []login.Key {
	if m.keys == nil {
		return nil
	}
	return m.keys(st)
}

// notHere answers a press that is not one of the page where the journey stands.
func (s *Service) notHere(ctx context.Context, st *standing, b Button) (Result, bool, error) {
	switch {
	case s.repeats(st, b):
		r, err := s.result(ctx, st)
		return r, true, err
	case s.timeOver(st) && b != Leave:
		if err := s.record(ctx, denied(detail(st.act(PressRefused), "button", string(b), "step", string(st.step())), "expired")); err != nil {
			return Result{}, true, err
		}
		j, err := s.page(ctx, st)
		return Result{Journey: j}, true, err
	case st.old || !s.fresh(st) || !placeAt(st.step()).has(b):
		return s.stale(ctx, st, b)
	}
	return Result{}, false, nil
}

// stale answers a press of a page that is over: nothing is done, and the
// customer sees where the journey stands.
func (s *Service) stale(ctx context.Context, st *standing, b Button) (Result, bool, error) {
	if err := s.record(ctx, denied(detail(st.act(PressRefused), "button", string(b), "step", string(st.step())), "stale")); err != nil {
		return Result{}, true, err
	}
	j, err := s.page(ctx, st)
	return Result{Journey: j, Stale: true}, true, err
}

// refuseForeign records a press of a browser that is not the journey's.
func (s *Service) refuseForeign(ctx context.Context, v Visit, b Button, err error) error {
	if _, halted := errors.AsType[Halted](err); !halted {
		return err
	}
	a := audit.Act{
		Name: PressRefused, At: s.now(), Actor: audit.Actor{Kind: audit.Unknown}, Object: v.Journey.String(),
		Detail: map[string]string{"button": string(b)},
	}
	if v.Address.IsValid() {
		a.Address = v.Address.String()
	}
	if e := s.record(ctx, denied(a, "foreign")); e != nil {
		return e
	}
	return err
}

// wrongSent answers a press whose content cannot be taken as it is. What was
// never on the page is recorded.
func (s *Service) wrongSent(ctx context.Context, st *standing, b Button, wrong []FieldError) (Result, error) {
	for _, w := range wrong {
		if w.Fault == NotOffered {
			if err := s.record(ctx, denied(detail(st.act(PressRefused), "button", string(b), "field", string(w.Field)), "not_offered")); err != nil {
				return Result{}, err
			}
			break
		}
	}
	j, err := s.page(ctx, st)
	j.Errors = wrong
	return Result{Journey: j}, err
}

// claim takes the press and its tries in one commit. A key whose tries are used
// up is left out. Errors: fault.Conflict.
func (s *Service) claim(ctx context.Context, st *standing, b Button, tried audit.Name, keys []login.Key, l login.Limit) (int64, map[login.Key]login.Ticket, error) {
	counted, tickets, err := s.take(ctx, st.now, keys, l)
	if err != nil {
		return 0, nil, err
	}
	c := JourneyClaimed{
		ID: st.row.ID, Version: st.row.Version, Claim: s.NextID(), Button: b,
		Now: st.now, Until: st.now.Add(s.Rules.BankFor + leaseSlack), Counters: counted,
		Done: detail(st.act(tried), "button", string(b)),
	}
	return c.Claim, tickets, s.Store.Commit(ctx, c)
}

// take returns the counters with one more try each, for those that allow it.
func (s *Service) take(ctx context.Context, now time.Time, keys []login.Key, l login.Limit) ([]login.Counted, map[login.Key]login.Ticket, error) {
	counters, err := s.Store.Counters(ctx, keys...)
	if err != nil {
		return nil, nil, fault.Wrap(fault.Of(err), "count tries", err)
	}
	var counted []login.Counted
	tickets := map[login.Key]login.Ticket{}
	for _, c := range counters {
		if to, ticket, ok := c.Take(now, now.Add(s.Rules.BankFor+leaseSlack), l); ok {
			counted = append(counted, login.Counted{From: c, To: to})
			tickets[c.Key] = ticket
		}
	}
	return counted, tickets, nil
}

// resettle returns the counters as they are after the tries ended.
func (s *Service) resettle(ctx context.Context, fates []settled, l login.Limit) ([]login.Counted, error) {
	if len(fates) == 0 {
		return nil, nil
	}
	keys := make([]login.Key, 0, len(fates))
	for _, f := range fates {
		keys = append(keys, f.ticket.Key)
	}
	counters, err := s.Store.Counters(ctx, keys...)
	if err != nil {
		return nil, fault.Wrap(fault.Of(err), "count tries", err)
	}
	var counted []login.Counted
	for i, c := range counters {
		if to := c.Settle(fates[i].ticket, fates[i].fate, fates[i].coreLeft, l); to != c {
			counted = append(counted, login.Counted{From: c, To: to})
		}
	}
	return counted, nil
}

// settle commits what a press came to. The counters may have moved meanwhile,
// which is no reason to ask the bank again. Errors: fault.Conflict, when the
// journey went on without this press.
func (s *Service) settle(ctx context.Context, st *standing, b Button, claim int64, l login.Limit, out outcome) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, commitFor)
	defer cancel()
	way, protocol, err := s.answerPartner(ctx, st, &out)
	if err != nil {
		return Result{}, err
	}
	for range maxRounds {
		moved, err := s.moved(ctx, st, b, claim, l, out, way)
		if err != nil {
			return Result{}, err
		}
		changes := []audit.Change{moved}
		if moved.Begun {
			changes = []audit.Change{st.carried.written(st, moved.Row), moved}
		}
		if protocol != nil {
			changes = append(changes, protocol)
		}
		err = s.Store.Commit(ctx, changes...)
		if err == nil {
			return s.settledAs(ctx, st, moved, out)
		}
		if !errors.Is(err, fault.Conflict) {
			return Result{}, fault.Wrap(fault.Of(err), "commit a press", err)
		}
		r, again, over, e := s.lost(ctx, st, b, claim)
		if over || e != nil {
			return r, e
		}
		if protocol != nil && !again { // the journey holds, so the request does not: another browser completed it
			out, way, protocol = spent(st, out), nil, nil
		}
	}
	return Result{}, fault.New(fault.Unavailable, "counters keep moving")
}

// lost answers a press whose commit did not hold; over is false where the journey
// itself is as it was found, and again is true where the same commit may hold now.
// Errors: fault.Conflict, when the journey went on.
func (s *Service) lost(ctx context.Context, st *standing, b Button, claim int64) (r Result, again, over bool, err error) {
	row, _, _, err := s.Store.Journey(ctx, st.row.ID)
	switch {
	case st.carried != nil && errors.Is(err, fault.NotFound):
		return s.lostCarried(ctx, st, b)
	case err != nil:
		return Result{}, false, true, fault.Wrap(fault.Of(err), "find a journey", err)
	case st.carried != nil, row.Version != st.row.Version, row.Claim != claim && st.now.Before(row.ClaimUntil):
		return Result{}, false, true, fault.New(fault.Conflict, "the journey went on")
	}
	return Result{}, false, false, nil
}

// spent is the outcome of a press whose request was completed by another
// browser, or is no longer known to the protocol.
func spent(st *standing, out outcome) outcome {
	gone := outcome{state: st.st, fates: out.fates, act: denied(st.act(JourneyHalted), "request_spent")}
	gone.state.Allowed, gone.state.Reason, gone.state.Receipt = false, "", nil
	gone.state.Cause = &Cause{Code: RequestUnknown, Reason: NotPermitted}
	return gone
}

// answerPartner asks the protocol for the way back, where the press is the
// journey's last.
func (s *Service) answerPartner(ctx context.Context, st *standing, out *outcome) (way []byte, change audit.Change, err error) {
	var r Redirect
	switch {
	case out.approve != nil:
		c := *out.approve
		r, change, err = s.Protocol.Approve(ctx, st.st.Asked.Handle, Approval{
			Subject: c.User, Company: c.Company, AuthTime: st.st.AuthAt, ACR: acrOf(st.st), AMR: amrOf(st.st),
			Consent: c.ID, Extent: c.Extent, Replaces: c.Replaces, Address: out.act.Address,
		})
	case out.deny != "":
		r, change, err = s.Protocol.Deny(ctx, st.st.Asked.Handle, out.deny)
	default:
		return nil, nil, nil
	}
	if err == nil && r.Denied != "" && out.approve != nil {
		fates := out.fates
		*out = s.leaving(st, Reason(r.Denied), denied(st.act(ConsentRefused), r.Denied))
		out.fates = fates
	}
	switch {
	case err == nil:
		way, err = s.sealWay(st.row.ID, r)
		return way, change, err
	case errors.Is(err, fault.Conflict), errors.Is(err, fault.NotFound), errors.Is(err, fault.Expired):
		*out = spent(st, *out)
		return nil, nil, nil
	}
	return nil, nil, fault.Wrap(fault.Of(err), "answer the partner", err)
}

// moved returns the transition of an outcome.
func (s *Service) moved(ctx context.Context, st *standing, b Button, claim int64, l login.Limit, out outcome, way []byte) (JourneyMoved, error) {
	counted, err := s.resettle(ctx, out.fates, l)
	if err != nil {
		return JourneyMoved{}, err
	}
	row := st.row
	row.Version++
	row.Button, row.TouchedAt = b, st.now
	row.Claim, row.ClaimButton, row.ClaimUntil = 0, "", time.Time{}
	row.Step = next(out.state)
	if !placeAt(st.step()).mayLead(b, row.Step) && !s.timeOver(st) {
		return JourneyMoved{}, fault.New(fault.Internal, "%s of %s may not lead to %s", b, st.step(), row.Step)
	}
	m := JourneyMoved{From: st.row.Version, Begun: st.carried != nil, Claim: claim, Now: st.now, Counters: counted, Seen: out.seen, Session: out.session, Ends: out.endSession, Stage: out.stage, Done: out.act}
	if row.Step == HandoverStep {
		row.EndedAt, row.Way, row.WayUntil = st.now, way, st.now.Add(wayFor)
		if out.approve == nil {
			row.WayUntil = row.BeganAt.Add(keptFor) // a refusal is no secret and does not age
		}
	}
	staged := len(st.staged)+len(out.stage) > 0 // at this version: what is staged later is of another
	if out.approve != nil {
		row.Consent = out.approve.ID
		m.Consent = out.approve
		if staged {
			m.InForce = &StoredPIN{
				User: row.User, Name: out.state.UserName, Company: row.Company, Consent: out.approve.ID, At: st.now,
			}
		}
	} else if row.Step == HandoverStep || row.Step == EndedStep {
		m.Drop = staged
	}
	if row.Sealed, err = s.sealState(row.ID, out.state); err != nil {
		return JourneyMoved{}, err
	}
	m.Row = row
	return m, nil
}

// settledAs returns what the committed press led to.
func (s *Service) settledAs(ctx context.Context, st *standing, m JourneyMoved, out outcome) (Result, error) {
	s.memory.remember(m.Row, out.state)
	staged := st.staged
	switch {
	case m.Drop, m.InForce != nil:
		staged = nil
	default:
		staged = mergeStaged(staged, m.Stage)
	}
	after := &standing{
		now: st.now, visit: st.visit, row: m.Row, st: out.state, partner: st.partner, staged: staged,
	}
	if m.Consent != nil {
		after.consent = m.Consent.State
	}
	return s.result(ctx, after)
}

// result returns what everybody is shown who sent the press that made this
// version.
func (s *Service) result(ctx context.Context, st *standing) (Result, error) {
	r := Result{Cookie: cookieOf(st.st, st.row.ID, st.row.Version)}
	st.old = false
	if st.visit.Device.Token.IsEmpty() {
		r.Device = deviceToken(st.st)
	}
	if st.st.SessionVersion > 0 && st.st.SessionVersion == st.row.Version {
		r.Session = sessionToken(st.st, st.row.ID)
	}
	var err error
	if st.row.Button == SwitchUser {
		r.SignedOut = true
		if r.Again, err = s.again(st); err != nil {
			return Result{}, err
		}
	}
	if r.Journey, err = s.page(ctx, st); err != nil {
		return Result{}, err
	}
	if st.st.LastCause != nil && st.underWay() && !s.timeOver(st) {
		r.Journey = ended(r.Journey, *st.st.LastCause)
	}
	return r, nil
}

// awaitClaim waits until the press that holds the claim was settled, or its
// lease is over. Errors: fault.Unavailable when ctx ends before.
func (s *Service) awaitClaim(ctx context.Context, held Row) error {
	return s.await(ctx, func() (bool, error) {
		row, _, _, err := s.Store.Journey(ctx, held.ID)
		if err != nil {
			return false, fault.Wrap(fault.Of(err), "find a journey", err)
		}
		return row.Claim != held.Claim || !s.now().Before(row.ClaimUntil), nil
	})
}

// await asks done again and again, ever more slowly.
func (s *Service) await(ctx context.Context, done func() (bool, error)) error {
	pause := firstPause
	t := time.NewTimer(pause)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return fault.Wrap(fault.Unavailable, "wait for the same press", ctx.Err())
		case <-t.C:
		}
		if ok, err := done(); ok || err != nil {
			return err
		}
		pause = min(2*pause, longestWait)
		t.Reset(pause)
	}
}

// bankCause is the page for a bank that could not answer a press.
func bankCause(err error) (Cause, string) {
	if closed, ok := errors.AsType[corebank.Closed](err); ok {
		return Cause{Code: BankClosed, Reason: OutOfHours, Until: closed.OpensAt, Planned: closed.Reason, CanLeave: true}, string(OutOfHours)
	}
	return Cause{Code: TryLater, Reason: BankUnavailable, CanLeave: true, CanRetry: true}, string(BankUnavailable)
}
