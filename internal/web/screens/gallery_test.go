package screens

import (
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/i18n"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/web/look"
)

var (
	update  = flag.Bool("update", false, "write the golden files anew")
	gallery = flag.String("gallery", "", "write every page and the static files into this folder, to be looked at")
)

// shown is one page in one state.
type shown struct {
	name    string
	journey linkage.Journey
	typed   form
}

var noon = time.Date(2026, 11, 24, 5, 5, 0, 0, time.UTC)

func testScreens(t testing.TB) *Screens {
	t.Helper()
	looks, err := look.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{
		Look: looks, Issuer: "https://bank.example",
		CertificateHost: func(n int) string { return fmt.Sprintf("https://cert%d.bank.example", n) },
		Address:         func(*http.Request) netip.Addr { return netip.MustParseAddr("192.0.2.1") },
		Log:             slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func steps(here linkage.Step, all ...linkage.Step) []linkage.StepMark {
	var marks []linkage.StepMark
	done := true
	for _, step := range all {
		done = done && step != here
		marks = append(marks, linkage.StepMark{Step: step, Here: step == here, Done: done})
	}
	return marks
}

func wholeWay(here linkage.Step) []linkage.StepMark {
	return steps(here, linkage.LoginStep, linkage.QuestionStep, linkage.BusinessStep, linkage.PINStep, linkage.PINResultStep, linkage.ConsentStep)
}

var mihonKaikei = partner.Partner{
	ID: "mihon-kaikei", Service: "みほん会計", Corporation: "見本会計ソフト株式会社", RegistrationNumber: "関東財務局長（電代）第999号",
	Contact: partner.Contact{Desk: "みほん会計サポート窓口", Phone: "03-0000-0000", Mail: "support@kaikei.example", URL: "https://kaikei.example/support"},
}

func account(n string, kind corebank.AccountType, branch, name, memo string) corebank.Account {
	return corebank.Account{ID: corebank.AccountID(branch + "-" + string(kind) + "-" + n), BranchCode: branch, BranchName: name, Type: kind, Number: n, Memo: memo}
}

var (
	first  = account("2000002", corebank.Ordinary, "001", "本店", "経費の支払い用")
	second = account("1111111", corebank.Ordinary, "002", "駅前支店", "")
	third  = account("2222222", corebank.Current, "002", "駅前支店", "手形・小切手の決済用の口座で長い名前")
	fourth = account("0000314", corebank.Savings, "014", "インターネット支店", "積立")
)

// at returns a journey that stands at a step after the login.
func at(step linkage.Step) linkage.Journey {
	return linkage.Journey{
		ID: 1234567890123, Number: "4821-7395-0264", Step: step, Press: "press-token", Steps: wholeWay(step), Partner: mihonKaikei,
		Company: "株式会社見本商店", User: "見本 太郎", Role: corebank.AdminUser,
		EndsAt: noon.Add(14 * time.Minute), RemainingFor: 14 * time.Minute, Extendable: true, CanLeave: true,
	}
}

// before returns a journey before its login.
func before() linkage.Journey {
	j := at(linkage.LoginStep)
	j.Company, j.User, j.Role = "", "", ""
	j.Steps = steps(linkage.LoginStep, linkage.LoginStep)
	j.Login, j.Hop = &linkage.LoginPage{CertificateHost: 1}, "hop-token"
	return j
}

func with[T any](j T, change func(*T)) T {
	change(&j)
	return j
}

var holder = linkage.CertificateFacts{
	Holder: "見本 太郎", Issuer: "CN=見本信用組合 利用者認証局", SerialEnd: "7F3A", NotBefore: noon.AddDate(0, -6, 0), NotAfter: noon.AddDate(0, 6, 0),
}

func ended(c linkage.Cause) linkage.Journey {
	return with(at(linkage.EndedStep), func(j *linkage.Journey) {
		j.Ended, j.CanLeave = &c, c.CanLeave
		if c.Code < linkage.UseStopped {
			j.Login, j.Hop = &linkage.LoginPage{CertificateHost: 2}, "hop-token"
			j.Company, j.User = "", ""
			j.Steps = steps(linkage.LoginStep, linkage.LoginStep)
		}
	})
}

func pinRowsOfAll() []linkage.PINRow {
	return []linkage.PINRow{
		{Account: first, State: linkage.Unregistered, Chosen: true},
		{Account: second, State: linkage.Rejected, Chosen: true},
		{Account: third, State: linkage.Registered, By: "見本 花子"},
		{Account: fourth, State: linkage.Pending},
	}
}

func consent() *linkage.ConsentPage {
	return &linkage.ConsentPage{
		Functions: []corebank.BusinessFunction{corebank.BalanceInquiry, corebank.TransactionInquiry},
		Accounts:  []linkage.ConsentAccount{{Account: first, Ticked: true}, {Account: third, Ticked: true}, {Account: fourth, Ticked: true, Waiting: true}},
		LeftOut:   []linkage.PINRow{{Account: second, State: linkage.Unregistered}}, HistoryDays: 90,
		LastDay: "2027-02-22", Terms: "1", PINsKeptFor: 90 * 24 * time.Hour,
	}
}

func pages() []shown {
	business := func(j *linkage.Journey) {
		j.Business = &linkage.BusinessPage{Rows: []linkage.BusinessRow{
			{Function: corebank.BalanceInquiry, Required: true, Permitted: true, Linked: true, Chosen: true},
			{Function: corebank.TransactionInquiry, Permitted: true, Selectable: true, Chosen: true},
			{Function: corebank.DepositInquiry, Permitted: true, Subscription: corebank.Applied, Waiting: true},
		}}
	}
	pin := func(j *linkage.Journey) {
		j.PIN = &linkage.PINPage{Rows: pinRowsOfAll(), CanPostpone: true}
	}
	receipt := &linkage.Receipt{
		Consent: "cns_5nq8r2t4", GivenAt: noon, LastDay: "2027-02-22", HistoryDays: 90, Terms: "1", Renewed: true,
		Functions: []corebank.BusinessFunction{corebank.BalanceInquiry, corebank.TransactionInquiry}, Accounts: []corebank.Account{first, third},
	}
	over := func(j *linkage.Journey) { j.EndsAt, j.RemainingFor, j.CanLeave = time.Time{}, 0, false }
	all := []shown{
		{"login", before(), nil},
		{"login_wrong", with(before(), func(j *linkage.Journey) {
			j.Login.LoginID = "mihon001"
			j.Errors = []linkage.FieldError{{Field: linkage.PasswordField, Fault: linkage.WrongLogin, Wide: true}}
		}), form{}},
		{"login_missing", with(before(), func(j *linkage.Journey) {
			j.Errors = []linkage.FieldError{{Field: linkage.LoginIDField, Fault: linkage.Missing}, {Field: linkage.PasswordField, Fault: linkage.Missing}}
		}), form{}},
		{"certificate", with(before(), func(j *linkage.Journey) {
			j.Step, j.Hop, j.Certificate = linkage.CertificateStep, "hop-token", &linkage.CertificatePage{Certificate: holder, NextHost: 2}
		}), nil},
		{"certificate_wrong", with(before(), func(j *linkage.Journey) {
			soon := holder
			soon.RenewSoon = true
			j.Step, j.Hop, j.Certificate = linkage.CertificateStep, "hop-token", &linkage.CertificatePage{Certificate: soon, NextHost: 2}
			j.Errors = []linkage.FieldError{{Field: linkage.PasswordField, Fault: linkage.WrongPassword, Left: 1}}
		}), nil},
		{"question", with(at(linkage.QuestionStep), func(j *linkage.Journey) {
			j.Question = &linkage.QuestionPage{Question: "好きな食べ物は？", MaxRunes: 20}
		}), nil},
		{"question_wrong", with(at(linkage.QuestionStep), func(j *linkage.Journey) {
			j.Question = &linkage.QuestionPage{Question: "好きな食べ物は？", MaxRunes: 20}
			j.Errors = []linkage.FieldError{{Field: linkage.AnswerField, Fault: linkage.WrongAnswer, Left: 2}}
		}), nil},
		{"business", with(at(linkage.BusinessStep), business), nil},
		{"business_missing", with(with(at(linkage.BusinessStep), business), func(j *linkage.Journey) {
			j.Business.Rows[2] = linkage.BusinessRow{Function: corebank.DepositInquiry, Permitted: true, Selectable: true, Subscription: corebank.Enrolled}
			j.Errors = []linkage.FieldError{{Field: linkage.FunctionsField, Fault: linkage.Missing}}
		}), form{}},
		{"pin", with(at(linkage.PINStep), pin), nil},
		{"pin_wrong", with(with(at(linkage.PINStep), pin), func(j *linkage.Journey) {
			j.PIN.CanPostpone = false
			j.PIN.Rows[0].Fault, j.PIN.Rows[0].Left = linkage.WrongPIN, 2
			j.PIN.Rows[1].Stopped, j.PIN.Rows[1].Chosen = true, false
			j.PIN.Rows[2].State, j.PIN.Rows[2].ThisTime, j.PIN.Rows[2].By = linkage.Staged, true, ""
			j.Errors = []linkage.FieldError{{Field: linkage.PINField, Account: first.ID, Fault: linkage.WrongPIN, Left: 2}}
		}), nil},
		{"pin_missing", with(with(at(linkage.PINStep), pin), func(j *linkage.Journey) {
			j.Errors = []linkage.FieldError{{Field: linkage.PINsField, Fault: linkage.Missing}}
		}), form{"same": {"yes"}}},
		{"pinresult", with(at(linkage.PINResultStep), func(j *linkage.Journey) {
			j.PINResult = &linkage.PINResultPage{Rows: []linkage.PINRow{
				{Account: first, State: linkage.Staged, ThisTime: true}, {Account: second, State: linkage.Pending, ThisTime: true},
				{Account: third, State: linkage.Registered}, {Account: fourth, State: linkage.Unregistered, Fault: linkage.WrongPIN, Left: 1},
			}}
		}), nil},
		{"consent", with(at(linkage.ConsentStep), func(j *linkage.Journey) { j.Consent = consent() }), nil},
		{"consent_signed_in", with(at(linkage.ConsentStep), func(j *linkage.Journey) {
			j.Consent, j.CanSwitch, j.Steps = consent(), true, steps(linkage.ConsentStep, linkage.ConsentStep)
		}), nil},
		{"consent_existing", with(at(linkage.ConsentStep), func(j *linkage.Journey) {
			j.Partner.ChainedService = "みほん経費精算"
			j.Consent = consent()
			j.Consent.AsksRenewal, j.Consent.Renews, j.Consent.Intent = true, "cns_old", linkage.Stop
			j.Consent.Existing = []linkage.ExistingLinkage{{ID: "cns_old", GivenAt: noon.AddDate(0, 0, -80), LastDay: "2026-12-04", RenewedTo: "2027-03-04",
				Functions: []corebank.BusinessFunction{corebank.BalanceInquiry, corebank.TransactionInquiry}, Accounts: 1}}
			j.Errors = []linkage.FieldError{{Field: linkage.IntentField, Fault: linkage.StopChosen}, {Field: linkage.AccountsField, Fault: linkage.Missing}}
		}), form{}},
		{"handover_allowed", with(with(at(linkage.HandoverStep), over), func(j *linkage.Journey) {
			j.Steps = steps("", linkage.LoginStep, linkage.ConsentStep)
			j.Handover = &linkage.HandoverPage{Allowed: true, Receipt: receipt, Way: &linkage.Redirect{URL: "https://kaikei.example/callback?code=a&state=b&iss=c"}}
		}), nil},
		{"handover_receipt", with(with(at(linkage.HandoverStep), over), func(j *linkage.Journey) {
			j.Steps = nil
			j.Handover = &linkage.HandoverPage{Allowed: true, Receipt: receipt}
		}), nil},
		{"handover_refused", with(with(at(linkage.HandoverStep), over), func(j *linkage.Journey) {
			j.Handover = &linkage.HandoverPage{Reason: linkage.RefusedByCustomer, Way: &linkage.Redirect{
				URL: "https://kaikei.example/callback", Form: map[string]string{"response": "x.y.z"}}}
		}), nil},
		{"handover_timed_out", with(with(at(linkage.HandoverStep), over), func(j *linkage.Journey) {
			j.Handover = &linkage.HandoverPage{Reason: linkage.TimedOut}
		}), nil},
		{"handover_stopped", with(with(at(linkage.HandoverStep), over), func(j *linkage.Journey) {
			j.Handover = &linkage.HandoverPage{Reason: linkage.NotPermitted}
		}), nil},
		{"repeat", with(at(linkage.RepeatStep), func(j *linkage.Journey) {
			j.Repeat, j.CanLeave = &linkage.RepeatPage{Button: linkage.Allow}, false
		}), nil},
		{"time_almost_up", with(before(), func(j *linkage.Journey) {
			j.RemainingFor, j.EndsAt, j.Extendable = 50*time.Second, noon.Add(50*time.Second), false
		}), nil},
	}
	until := noon.Add(30 * time.Minute)
	for _, c := range []struct {
		name  string
		cause linkage.Cause
	}{
		{"901", linkage.Cause{Code: 901, CanLeave: true, CanRetry: true}},
		{"902_expired", linkage.Cause{Code: 902, Certificate: &holder, CanLeave: true, CanRetry: true}},
		{"902_early", linkage.Cause{Code: 902, NotYet: true, Certificate: &holder, CanLeave: true, CanRetry: true}},
		{"903", linkage.Cause{Code: 903, Certificate: &holder, CanLeave: true, CanRetry: true}},
		{"904", linkage.Cause{Code: 904, Certificate: &holder, CanLeave: true, CanRetry: true}},
		{"905_usage", linkage.Cause{Code: 905, Certificate: &holder, CanLeave: true, CanRetry: true}},
		{"905_user", linkage.Cause{Code: 905, NoUser: true, Certificate: &holder, CanLeave: true, CanRetry: true}},
		{"910_login", linkage.Cause{Code: 910, Stopped: linkage.LoginStopped, Until: until, CanLeave: true}},
		{"910_answer", linkage.Cause{Code: 910, Stopped: linkage.AnswerStopped, Unlock: linkage.Administrator, CanLeave: true}},
		{"910_user", linkage.Cause{Code: 910, Stopped: linkage.UserStopped, Unlock: linkage.Branch, CanLeave: true}},
		{"911_not_set_up", linkage.Cause{Code: 911, Standing: corebank.NotSetUp, Unlock: linkage.Customer, CanLeave: true}},
		{"911_must_change", linkage.Cause{Code: 911, Standing: corebank.MustChange, CanLeave: true}},
		{"911_answers", linkage.Cause{Code: 911, Standing: corebank.AnswersMissing, CanLeave: true}},
		{"912", linkage.Cause{Code: 912, Unlock: linkage.MasterOnly, CanLeave: true}},
		{"913", linkage.Cause{Code: 913, Unlock: linkage.Administrator, CanLeave: true}},
		{"914", linkage.Cause{Code: 914, CanLeave: true}},
		{"920", linkage.Cause{Code: 920, Until: until, Planned: "年末年始の休止", CanLeave: true}},
		{"920_unknown", linkage.Cause{Code: 920, CanLeave: true}},
		{"930", linkage.Cause{Code: 930, CanLeave: true}},
		{"930_signed_out", linkage.Cause{Code: 930, SignedOut: true, CanLeave: true}},
		{"940", linkage.Cause{Code: 940}},
		{"941", linkage.Cause{Code: 941}},
		{"942", linkage.Cause{Code: 942}},
		{"950", linkage.Cause{Code: 950, CanLeave: true, CanRetry: true}},
		{"990", linkage.Cause{Code: pageNotFound}},
		{"991", linkage.Cause{Code: foreignForm}},
	} {
		all = append(all, shown{"cause_" + c.name, ended(c.cause), nil})
	}
	return all
}

// render shows a page as the handler would.
func render(s *Screens, p shown, l i18n.Language) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "https://bank.example"+address(p.journey.ID, string(p.journey.Step)), nil)
	r.Header.Set("Accept-Language", string(l))
	s.showJourney(w, r, p.journey, p.typed)
	return w
}

var assetDigest = regexp.MustCompile(`(/assets/[a-z-]+)\.[A-Za-z0-9_-]+\.`)

func TestEveryPageInEveryStateLooksAsItDidBefore(t *testing.T) {
	s := testScreens(t)
	for _, p := range pages() {
		for _, l := range i18n.Languages {
			html := assetDigest.ReplaceAllString(render(s, p, l).Body.String(), "$1.")
			golden := filepath.Join("testdata", "gallery", p.name+"."+string(l)+".html")
			if *update {
				if err := os.WriteFile(golden, []byte(html), 0o644); err != nil {
					t.Fatal(err)
				}
				continue
			}
			want, err := os.ReadFile(golden)
			if err != nil || string(want) != html {
				t.Errorf("%s in %s differs from %s (run with -update and read the diff)", p.name, l, golden)
			}
		}
	}
}

func TestEveryPageCanBeWrittenOutToBeLookedAt(t *testing.T) {
	if *gallery == "" {
		t.Skip("only with -gallery FOLDER")
	}
	s := testScreens(t)
	assets := map[string]bool{}
	for _, p := range pages() {
		for _, l := range i18n.Languages {
			html := render(s, p, l).Body.String()
			if err := os.WriteFile(filepath.Join(*gallery, p.name+"."+string(l)+".html"), []byte(html), 0o644); err != nil {
				t.Fatal(err)
			}
			for _, address := range regexp.MustCompile(`/assets/[^"]+`).FindAllString(html, -1) {
				assets[address] = true
			}
		}
	}
	for address := range assets {
		w := httptest.NewRecorder()
		s.Look.Assets().ServeHTTP(w, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: address}})
		file := filepath.Join(*gallery, address)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, w.Body.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func plainRequest() *http.Request {
	return httptest.NewRequest(http.MethodGet, "https://bank.example/", nil)
}

// BenchmarkPage shows the two pages that every linking has.
func BenchmarkPage(b *testing.B) {
	s := testScreens(b)
	for _, p := range pages() {
		if p.name != "consent_existing" && p.name != "handover_allowed" {
			continue
		}
		b.Run(p.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if w := render(s, p, i18n.Japanese); w.Code != http.StatusOK && w.Code != http.StatusUnprocessableEntity {
					b.Fatal(w.Code)
				}
			}
		})
	}
}
