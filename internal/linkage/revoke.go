package linkage

import (
	"context"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/login"
)

// ConsentEnded ends a consent that is not over, and with it the PINs that only
// it needs. It no longer holds when the consent has ended.
type ConsentEnded struct {
	ID   ConsentID
	Why  EndReason
	At   time.Time
	Done audit.Act
}

// ConsentHeld suspends an active consent, or lets a suspended one go on. It no
// longer holds when the consent is not at From.
type ConsentHeld struct {
	ID       ConsentID
	From, To ConsentState
	Done     audit.Act
}

// PINsSeeded are PINs that the bank itself brings into force.
type PINsSeeded struct {
	PINs []StoredPIN
	Done audit.Act
}

// Act returns the act of the change.
func (c ConsentEnded) Act() audit.Act { return c.Done }

// Act returns the act of the change.
func (c ConsentHeld) Act() audit.Act { return c.Done }

// Act returns the act of the change.
func (c PINsSeeded) Act() audit.Act { return c.Done }

// EndConsent revokes a consent (利用解除). Every node refuses it from the commit
// on. why says in whose right, by who pressed.
// Errors: fault.NotFound; fault.Conflict when it has ended already.
func (s *Service) EndConsent(ctx context.Context, id ConsentID, why EndReason, by audit.Actor, words string) error {
	act, err := s.consentAct(ctx, id, ConsentEndedName, by, words)
	if err != nil {
		return err
	}
	act.Detail["reason"] = string(why)
	return s.Store.Commit(ctx, ConsentEnded{ID: id, Why: why, At: act.At, Done: act})
}

// SuspendConsent stops a consent until ResumeConsent lifts it.
// Errors: fault.NotFound; fault.Conflict when it is not active.
func (s *Service) SuspendConsent(ctx context.Context, id ConsentID, by audit.Actor, words string) error {
	act, err := s.consentAct(ctx, id, ConsentSuspended, by, words)
	if err != nil {
		return err
	}
	return s.Store.Commit(ctx, ConsentHeld{ID: id, From: Active, To: Suspended, Done: act})
}

// ResumeConsent lets a suspended consent go on.
// Errors: fault.NotFound; fault.Conflict when it is not suspended.
func (s *Service) ResumeConsent(ctx context.Context, id ConsentID, by audit.Actor, words string) error {
	act, err := s.consentAct(ctx, id, ConsentResumed, by, words)
	if err != nil {
		return err
	}
	return s.Store.Commit(ctx, ConsentHeld{ID: id, From: Suspended, To: Active, Done: act})
}

func (s *Service) consentAct(ctx context.Context, id ConsentID, name audit.Name, by audit.Actor, words string) (audit.Act, error) {
	c, err := s.Store.Consent(ctx, id)
	if err != nil {
		return audit.Act{}, err
	}
	return audit.Act{
		Name: name, At: s.now(), Actor: by, Outcome: audit.Done, Object: string(id), Partner: string(c.Partner),
		Journey: string(c.Journey), Detail: map[string]string{"user": string(c.User), "company": string(c.Company), "why": words},
	}, nil
}

// UnlockAnswers lets a user answer the additional question again.
func (s *Service) UnlockAnswers(ctx context.Context, user corebank.UserID, by audit.Actor, words string) error {
	return s.unlock(ctx, answerKey(user), by, words)
}

// UnlockPIN lets the inquiry PIN of an account be tried again.
func (s *Service) UnlockPIN(ctx context.Context, account corebank.AccountID, by audit.Actor, words string) error {
	return s.unlock(ctx, PINKey(account), by, words)
}

// UnlockLogin lets a login id be tried again.
func (s *Service) UnlockLogin(ctx context.Context, typed string, by audit.Actor, words string) error {
	id, ok := login.CleanID(typed)
	if !ok {
		return fault.New(fault.Invalid, "this is no login id")
	}
	return s.unlock(ctx, s.idKey(id), by, words)
}

// UnlockCertificateLogin lets the password of a certificate user be tried again.
func (s *Service) UnlockCertificateLogin(ctx context.Context, user corebank.UserID, by audit.Actor, words string) error {
	return s.unlock(ctx, certificateKey(user), by, words)
}

func (s *Service) unlock(ctx context.Context, k login.Key, by audit.Actor, words string) error {
	for range maxRounds {
		counters, err := s.Store.Counters(ctx, k)
		if err != nil {
			return fault.Wrap(fault.Of(err), "count tries", err)
		}
		to := counters[0].Cleared(s.now())
		act := audit.Act{
			Name: TriesUnlocked, At: s.now(), Actor: by, Outcome: audit.Done, Object: k.Subject,
			Detail: map[string]string{"way": string(k.Way), "why": words},
		}
		err = s.Store.Commit(ctx, login.Unlocked{Counted: login.Counted{From: counters[0], To: to}, Done: act})
		if !isConflict(err) {
			return err
		}
	}
	return fault.New(fault.Unavailable, "counters keep moving")
}

// SeedPIN is a PIN that a bank brings along from before, in a state.
type SeedPIN struct {
	Account corebank.AccountID
	User    corebank.User
	PIN     corebank.InquiryPIN
	State   PINState // Registered, Pending or Rejected
}

// SeedPINs brings PINs into force that were registered before this system, and
// replaces what is kept of the same accounts by the same users. The act is the
// system's.
func (s *Service) SeedPINs(ctx context.Context, seeds []SeedPIN) error {
	if len(seeds) == 0 {
		return nil
	}
	c := PINsSeeded{Done: audit.Act{
		Name: PINSeededName, At: s.now(), Actor: audit.Actor{Kind: audit.System}, Outcome: audit.Done, Detail: map[string]string{},
	}}
	for _, p := range seeds {
		c.PINs = append(c.PINs, StoredPIN{
			Account: p.Account, User: p.User.ID, Name: p.User.Name, Company: p.User.Company.ID, State: p.State,
			Sealed: s.sealPIN(p.Account, p.PIN.Value), Version: s.NextID(), At: s.now(),
		})
		c.Done.Detail[string(p.Account)] = string(p.State)
	}
	return s.Store.Commit(ctx, c)
}
