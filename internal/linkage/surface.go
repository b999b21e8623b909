package linkage

import (
	"context"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
)

var errSoon = fault.New(fault.Internal, "not written yet")

// Start opens a journey for what the protocol found. It writes nothing: the
// journey is the cookie until its login succeeds. Opening one request again
// opens another journey; the first to complete spends the request.
// Errors: Halted (940, 941, 942, none of which leads back to the partner).
func (s *Service) Start(ctx context.Context, a Asked) (Opening, error) { return Opening{}, errSoon }

// Load returns where a journey stands, for a GET. It changes nothing. Its Step
// is the only one that may be shown: a GET of any other leads there.
func (s *Service) Load(ctx context.Context, v Visit) (Journey, error) { return Journey{}, errSoon }

// PresentCertificate, on the certificate host, keeps nothing: it returns the
// one-time secret, good for a minute, with which the browser goes back to the
// journey's own host (rule 1).
func (s *Service) PresentCertificate(ctx context.Context, j JourneyID, c Presented) (secret.Value, error) {
	return secret.Value{}, errSoon
}

// TakeCertificate takes what the certificate host judged into the journey whose
// cookie the browser holds: it goes on at CertificateStep, or shows EndedStep
// with 901 to 905 or 950, from which another certificate can be tried.
func (s *Service) TakeCertificate(ctx context.Context, v Visit, once secret.Value) (Result, error) {
	return Result{}, errSoon
}

// LogIn is API連携 of AL-120.
func (s *Service) LogIn(ctx context.Context, v Visit, p LoginPress) (Result, error) {
	return Result{}, errSoon
}

// LogInWithCertificate is API連携 of AL-111.
func (s *Service) LogInWithCertificate(ctx context.Context, v Visit, p CertificatePress) (Result, error) {
	return Result{}, errSoon
}

// Answer is 認証 of AL-200.
func (s *Service) Answer(ctx context.Context, v Visit, p AnswerPress) (Result, error) {
	return Result{}, errSoon
}

// ChooseFunctions is 次へ of AL-300.
func (s *Service) ChooseFunctions(ctx context.Context, v Visit, p FunctionsPress) (Result, error) {
	return Result{}, errSoon
}

// RegisterPINs is 登録 of AL-400.
func (s *Service) RegisterPINs(ctx context.Context, v Visit, p PINPress) (Result, error) {
	return Result{}, errSoon
}

// PostponePINs is あとで登録して進む of AL-400.
func (s *Service) PostponePINs(ctx context.Context, v Visit) (Result, error) {
	return Result{}, errSoon
}

// ConfirmPINs is 確定 of AL-410.
func (s *Service) ConfirmPINs(ctx context.Context, v Visit) (Result, error) {
	return Result{}, errSoon
}

// RegisterMorePINs is 照会用暗証番号の追加登録 of AL-410.
func (s *Service) RegisterMorePINs(ctx context.Context, v Visit) (Result, error) {
	return Result{}, errSoon
}

// Allow is 許可 of AL-500.
func (s *Service) Allow(ctx context.Context, v Visit, p ConsentPress) (Result, error) {
	return Result{}, errSoon
}

// Refuse is 許可しない of AL-500.
func (s *Service) Refuse(ctx context.Context, v Visit) (Result, error) { return Result{}, errSoon }

// Leave is 中止して連携先へ戻る of any page before the hand-over, and 連携先へ戻る
// of a page AL-9xx, AL-930 included. It leads to the hand-over.
func (s *Service) Leave(ctx context.Context, v Visit) (Result, error) { return Result{}, errSoon }

// Extend gives the page its idle time again, up to the journey's total. The
// page stays good as it is: Journey.Press and what was typed keep.
func (s *Service) Extend(ctx context.Context, v Visit) (Result, error) { return Result{}, errSoon }

// UsePIN lends the inquiry PIN of an account to one call of the bank for an API
// partner; see pinguard.go. Errors beside those of call: PINUnusable.
func (s *Service) UsePIN(ctx context.Context, user corebank.UserID, account corebank.AccountID, call func(context.Context, corebank.InquiryPIN) error) error {
	return errSoon
}
