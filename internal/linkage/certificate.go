package linkage

import (
	"context"
	"errors"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
)

const (
	oncePrefix    = "hop_"
	onceFor       = 60 * time.Second // protocol.md §1: a hop between our hosts
	renewSoonFor  = 30 * 24 * time.Hour
	serialEndSize = 4
	maxHop        = 64 // bytes; ours are shorter
)

// Presented is a certificate as the certificate host judged it (rule 1).
type Presented struct {
	Verdict     CertificateVerdict
	Certificate corebank.Certificate // what was seen; zero with NonePresented
	Holder      string               // the subject's common name
}

// CertificateVerdict is what the certificate host found.
type CertificateVerdict string

// The verdicts.
const (
	Accepted       CertificateVerdict = "accepted"
	NonePresented  CertificateVerdict = "none"
	ExpiredCert    CertificateVerdict = "expired"
	NotYetValid    CertificateVerdict = "not_yet_valid"
	RevokedCert    CertificateVerdict = "revoked"
	ForeignCert    CertificateVerdict = "foreign"
	WrongUsage     CertificateVerdict = "wrong_usage"
	CannotBeJudged CertificateVerdict = "cannot_be_judged" // the list of revoked certificates is too old
)

// once is what a one-time secret says, sealed, from one of our hosts to another.
type once struct {
	Journey   JourneyID
	Hop       string
	Presented Presented
	At        time.Time
	Nonce     []byte
}

// PresentCertificate, on the certificate host, keeps nothing: it returns the
// one-time secret, good for a minute, with which the browser goes back to the
// journey's own host (rule 1). hop is Journey.Hop of the page that led here: nobody
// who has not seen a page of the journey can bring a certificate into it.
func (s *Service) PresentCertificate(_ context.Context, j JourneyID, hop string, c Presented) (secret.Value, error) {
	return s.seal(onceSealing, once{Journey: j, Hop: hop[:min(len(hop), maxHop)], Presented: c, At: s.now(), Nonce: random()})
}

func (s *Service) openOnce(v secret.Value) (o once, ok bool) {
	if !s.open(onceSealing, v, &o) {
		return once{}, false
	}
	return o, true
}

// TakeCertificate takes what the certificate host judged into the journey whose
// cookie the browser holds: it goes on at CertificateStep, or shows EndedStep
// with 901 to 905 or 950, from which another certificate can be tried. A secret
// that is old, used, another journey's or of somebody who did not come from a page
// of this one changes nothing: the journey stays
// where it is, with Stale. Reloading in the same browser takes the same again.
func (s *Service) TakeCertificate(ctx context.Context, v Visit, sent secret.Value) (Result, error) {
	st, err := s.stand(ctx, v)
	if err != nil {
		return Result{}, s.refuseForeign(ctx, v, LogInCertificate, err)
	}
	if st.pre == nil {
		j, err := s.page(ctx, st)
		return Result{Journey: j, Stale: true}, err
	}
	o, ok := s.openOnce(sent)
	if !ok || o.Journey != v.Journey || !sameToken(o.Hop, hopToken(st.st, st.row.ID)) || st.now.After(o.At.Add(onceFor)) || s.timeOver(st) {
		return s.refusedBefore(ctx, st, LogInCertificate)
	}
	user, cause, err := s.judge(ctx, st.now, o.Presented)
	if err != nil {
		return Result{}, err
	}
	digest := secret.DigestOf(onceKind, s.Institution, sent)
	if taken, err := s.takeOnce(ctx, st, digest, o, cause); !taken || err != nil {
		if err != nil {
			return Result{}, err
		}
		return s.refusedBefore(ctx, st, LogInCertificate)
	}
	t := &st.pre.State
	t.Host = t.Host%max(1, s.Rules.CertificateHosts) + 1
	t.Certificate = nil
	if cause == nil {
		t.Certificate = &takenCertificate{User: user.ID, Facts: factsOf(st.now, o.Presented), TakenAt: st.now}
	}
	st.pre.Try++
	st.pre.Row.TouchedAt = st.now
	return s.heldUp(ctx, st, nil, cause, true)
}

// LoadCause is Load for the page that says why the last press before the login
// led nowhere: it is shown at an address of its own, until the next press.
func (s *Service) LoadCause(ctx context.Context, v Visit) (Journey, error) {
	st, err := s.stand(ctx, v)
	if err != nil {
		return Journey{}, err
	}
	j, err := s.page(ctx, st)
	if err == nil && st.pre != nil && st.underWay() && !s.timeOver(st) && j.Ended == nil && st.st.LastCause != nil {
		j = ended(j, *st.st.LastCause)
	}
	if j.Ended != nil && st.pre != nil && st.st.LastHop && !s.timeOver(st) {
		j.Login = &LoginPage{CertificateHost: max(1, st.st.Host)}
	}
	return j, err
}

// takeOnce spends the one-time secret; whoever took it before can take it again.
func (s *Service) takeOnce(ctx context.Context, st *standing, digest secret.Digest, o once, cause *Cause) (bool, error) {
	act := detail(st.act(CertificateShown), "verdict", string(o.Presented.Verdict),
		"serial", o.Presented.Certificate.Serial, "issuer", o.Presented.Certificate.Issuer)
	if cause != nil {
		act = denied(act, string(o.Presented.Verdict)+noUserWord(cause))
	}
	err := s.Store.Commit(ctx, CertificateTaken{Secret: digest, Journey: st.row.ID, Until: o.At.Add(onceFor), Done: act})
	if !isConflict(err) {
		return err == nil, err
	}
	by, err := s.Store.CertificateTaken(ctx, digest)
	if err != nil && !errors.Is(err, fault.NotFound) {
		return false, fault.Wrap(fault.Of(err), "find a one-time secret", err)
	}
	return err == nil && by == st.row.ID, nil
}

func noUserWord(c *Cause) string {
	if c.NoUser {
		return ":no_user"
	}
	return ""
}

// judge asks the bank whose a certificate is, or says why it is not accepted.
func (s *Service) judge(ctx context.Context, now time.Time, p Presented) (corebank.User, *Cause, error) {
	facts := factsOf(now, p)
	cause := Cause{Reason: RefusedByCustomer, Certificate: &facts, CanLeave: true, CanRetry: true}
	switch p.Verdict {
	case Accepted:
		ctx, cancel := context.WithTimeout(ctx, s.Rules.BankFor)
		defer cancel()
		user, err := s.Bank.UserOf(ctx, p.Certificate)
		switch {
		case err == nil:
			return user, nil, nil
		case errors.Is(err, fault.NotFound):
			cause.Code, cause.NoUser = CertificateUnusable, true
			return corebank.User{}, &cause, nil
		case errors.Is(err, fault.Unavailable):
			c, _ := bankCause(err)
			return corebank.User{}, &c, nil
		}
		return corebank.User{}, nil, fault.Wrap(fault.Of(err), "find the user of a certificate", err)
	case NonePresented:
		cause.Code, cause.Certificate = CertificateMissing, nil
	case ExpiredCert:
		cause.Code, cause.Until = CertificateNotNow, p.Certificate.NotAfter
	case NotYetValid:
		cause.Code, cause.Until, cause.NotYet = CertificateNotNow, p.Certificate.NotBefore, true
	case RevokedCert:
		cause.Code = CertificateRevoked
	case ForeignCert:
		cause.Code = CertificateForeign
	case WrongUsage:
		cause.Code = CertificateUnusable
	default:
		cause = Cause{Code: TryLater, Reason: BankUnavailable, CanLeave: true, CanRetry: true}
	}
	return corebank.User{}, &cause, nil
}

func factsOf(now time.Time, p Presented) CertificateFacts {
	serial := p.Certificate.Serial
	return CertificateFacts{
		Holder: p.Holder, Issuer: p.Certificate.Issuer, SerialEnd: serial[max(0, len(serial)-serialEndSize):],
		NotBefore: p.Certificate.NotBefore, NotAfter: p.Certificate.NotAfter,
		RenewSoon: !p.Certificate.NotAfter.IsZero() && p.Certificate.NotAfter.Sub(now) <= renewSoonFor,
	}
}
