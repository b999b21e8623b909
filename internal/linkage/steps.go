package linkage

import "slices"

// Step is a page of the journey, by its word in addresses.
type Step string

// The steps, in the manual's order.
const (
	LoginStep       Step = "login"       // AL-100 with AL-120
	CertificateStep Step = "certificate" // AL-111
	QuestionStep    Step = "question"    // AL-200
	BusinessStep    Step = "business"    // AL-300
	PINStep         Step = "pin"         // AL-400
	PINResultStep   Step = "pin-result"  // AL-410
	ConsentStep     Step = "consent"     // AL-500
	HandoverStep    Step = "handover"    // AL-510
	EndedStep       Step = "ended"       // AL-9xx
	RepeatStep      Step = "repeat"      // not a place: see RepeatPage
)

// Button is a button of a page, by the word that is stored.
type Button string

// The buttons, with the manual's names.
const (
	LogIn            Button = "log_in"             // API連携, of AL-120
	LogInCertificate Button = "log_in_certificate" // API連携, of AL-111
	Answer           Button = "answer"             // 認証
	Next             Button = "next"               // 次へ
	Register         Button = "register"           // 登録
	Postpone         Button = "postpone"           // あとで登録して進む
	Confirm          Button = "confirm"            // 確定
	RegisterMore     Button = "register_more"      // 照会用暗証番号の追加登録
	Allow            Button = "allow"              // 許可
	Refuse           Button = "refuse"             // 許可しない
	Leave            Button = "leave"              // 中止して連携先へ戻る, and 連携先へ戻る of AL-9xx
	SwitchUser       Button = "switch_user"        // 別の利用者としてログインする: only where a session skipped the login
	Extend           Button = "extend"             // 時間を延長する: never leads anywhere
)

// place is one row of the journey's table.
type place struct {
	step    Step
	manual  string // the manual's step
	counts  bool   // whether the indicator counts it
	shown   func(state) bool
	buttons []lead
}

// lead is where a button may lead; of these, the dispatcher takes the first that
// is shown. Every page before the hand-over has Extend beside them.
type lead struct {
	button Button
	to     []Step
}

// places is the journey, in the manual's order. A journey stands at the first
// place that is shown: steps never route to one another.
var places = []place{
	{LoginStep, "手順1-1 ①・手順1-2 ①", true,
		underWay(func(st state) bool { return st.AuthAt.IsZero() && st.Certificate == nil }),
		[]lead{{LogIn, afterLogin(LoginStep)}, {Leave, out}}},
	{CertificateStep, "手順1-1 ②", false,
		underWay(func(st state) bool { return st.AuthAt.IsZero() }),
		[]lead{{LogInCertificate, afterLogin(CertificateStep)}, {Leave, out}}},
	{QuestionStep, "手順2", true,
		underWay(func(st state) bool { return st.Question != nil && !st.Answered }),
		[]lead{{Answer, afterLogin()}, switches, {Leave, out}}},
	{BusinessStep, "手順3", true,
		underWay(func(st state) bool { return st.Chooses && len(st.Functions) == 0 }),
		[]lead{{Next, []Step{PINStep, ConsentStep, EndedStep}}, switches, {Leave, out}}},
	{PINStep, "手順4", true,
		underWay(func(st state) bool { return st.MorePINs || st.PINsAsked && !st.PINsSettled && !st.ResultOpen }),
		[]lead{{Register, []Step{PINStep, PINResultStep}}, {Postpone, []Step{ConsentStep}}, switches, {Leave, out}}},
	{PINResultStep, "手順5", true,
		underWay(func(st state) bool { return st.ResultOpen }),
		[]lead{{Confirm, []Step{ConsentStep}}, {RegisterMore, []Step{PINStep}}, switches, {Leave, out}}},
	{ConsentStep, "手順6", true,
		underWay(func(state) bool { return true }),
		[]lead{{Allow, out}, {Refuse, out}, switches, {Leave, out}}},
	{HandoverStep, "", false,
		func(st state) bool { return st.Allowed || st.Reason != "" },
		nil},
	{EndedStep, "", false,
		func(st state) bool { return st.Cause != nil },
		[]lead{switches, {Leave, out}}},
}

// switches leads out of this journey: the request goes on in another.
var switches = lead{SwitchUser, []Step{EndedStep}}

// out is where a button leads that is the journey's last: to the hand-over, or
// to AL-940 when another browser completed the request meanwhile.
var out = []Step{HandoverStep, EndedStep}

func afterLogin(itself ...Step) []Step {
	return append(itself, QuestionStep, BusinessStep, PINStep, ConsentStep, EndedStep)
}

// underWay is for the pages of a journey that is neither over nor halted.
func underWay(shown func(state) bool) func(state) bool {
	return func(st state) bool {
		return !st.Allowed && st.Reason == "" && st.Cause == nil && shown(st)
	}
}

// next returns where a journey stands.
func next(st state) Step {
	for _, p := range places {
		if p.shown(st) {
			return p.step
		}
	}
	return EndedStep // never: ConsentStep is shown to whatever is under way
}

func placeAt(step Step) place {
	for _, p := range places {
		if p.step == step {
			return p
		}
	}
	return place{step: step}
}

// has tells whether the button stands on the page of the step.
func (p place) has(b Button) bool {
	return slices.ContainsFunc(p.buttons, func(l lead) bool { return l.button == b })
}

// mayLead tells whether the button may lead from this page to that one.
func (p place) mayLead(b Button, to Step) bool {
	return slices.ContainsFunc(p.buttons, func(l lead) bool { return l.button == b && slices.Contains(l.to, to) })
}

// marks returns the step indicator: the counted steps that this journey takes,
// done ones first. Before the login only the login is known.
func marks(st state, here Step) []StepMark {
	if here == CertificateStep {
		here = LoginStep
	}
	if st.AuthAt.IsZero() {
		return []StepMark{{Step: LoginStep, Here: here == LoginStep}}
	}
	var all []StepMark
	passed := true
	for _, p := range places {
		if !p.counts || !taken(st, p.step, here) {
			continue
		}
		passed = passed && p.step != here
		all = append(all, StepMark{Step: p.step, Here: p.step == here, Done: passed})
	}
	if !slices.ContainsFunc(all, func(m StepMark) bool { return m.Here }) && here != HandoverStep {
		for i := range all { // AL-9xx: what was done is what was visited
			all[i].Done = all[i].Step == LoginStep || slices.Contains(st.Visited, all[i].Step)
		}
	}
	return all
}

// taken tells whether a journey takes a step: it did, it is there, or it will be
// there as far as can be said now.
func taken(st state, step, here Step) bool {
	if step == here || slices.Contains(st.Visited, step) {
		return true
	}
	switch step {
	case LoginStep:
		return !st.Reused
	case ConsentStep:
		return true
	case QuestionStep:
		return st.Question != nil
	case BusinessStep:
		return st.Chooses
	case PINStep:
		return st.PINsAsked || st.MorePINs
	case PINResultStep:
		return (st.PINsAsked || st.MorePINs) && !st.PINsSettled
	}
	return false
}
