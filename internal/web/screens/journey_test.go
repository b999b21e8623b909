package screens

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/i18n"
	"renkei.dev/internal/web"
)

const (
	certificateUser    = "ok.cert"
	certificateCompany = "電子見本株式会社"
)

func TestACertificateIsJudgedOnItsOwnHostAndItsPasswordAskedOnOurs(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t, i18n.Japanese)
	b.certificate = h.certificateFor(t, certificateUser, certificateCompany, noon.AddDate(0, 0, 20))
	b.open("/authorize")
	b.follow("電子証明書ログイン")
	b.stands("certificate", "AL-111", http.StatusOK)
	if words := b.page.words(); !strings.Contains(words, certificateUser) || !strings.Contains(words, "まもなく有効期限") {
		t.Errorf("the page does not say which certificate was seen and that it expires soon:\n%s", transcribe(b.page))
	}
	b.press("API連携", "password", "wrong")
	b.stands("certificate", "AL-111", http.StatusOK)
	if !strings.Contains(b.page.words(), "あと4回") {
		t.Errorf("the page does not say how many tries are left:\n%s", transcribe(b.page))
	}
	b.press("API連携", "password", "demo-ok-cert-2468")
	b.stands("business", "AL-300", http.StatusOK)
}

func TestEveryCertificateThatCannotBeUsedHasAPageThatOffersAnother(t *testing.T) {
	h := newHouse(t)
	other := newHouse(t)
	b := h.browser(t, i18n.Japanese)
	b.open("/authorize")
	for _, c := range []struct {
		screen string
		bring  func()
	}{
		{"AL-901", func() { b.certificate = nil }},
		{"AL-902", func() {
			b.certificate = h.certificateFor(t, certificateUser, certificateCompany, noon.AddDate(0, 0, -1))
		}},
		{"AL-904", func() {
			b.certificate = other.certificateFor(t, certificateUser, certificateCompany, noon.AddDate(1, 0, 0))
		}},
		{"AL-905", func() {
			b.certificate = h.certificateFor(t, "nobody", certificateCompany, noon.AddDate(1, 0, 0))
		}},
	} {
		c.bring()
		if c.screen == "AL-901" {
			b.follow("電子証明書ログイン")
		} else {
			b.follow("別の証明書でやり直す")
		}
		b.stands("ended", c.screen, http.StatusForbidden)
		b.open(b.at) // a reload says the same
		b.stands("ended", c.screen, http.StatusForbidden)
	}
	b.certificate = h.certificateFor(t, certificateUser, certificateCompany, noon.AddDate(1, 0, 0))
	b.follow("別の証明書でやり直す")
	b.stands("certificate", "AL-111", http.StatusOK)
}

func TestTheCertificateHostShowsNothingAndTakesNoOtherName(t *testing.T) {
	h := newHouse(t)
	for address, want := range map[string]int{
		"https://cert.bank.example/":                      http.StatusNotFound,
		"https://cert.bank.example/assets/renkei.css":     http.StatusNotFound,
		"https://cert.bank.example/link/jny_0001":         http.StatusNotFound,
		"https://other.bank.example/link/jny_wgqbrikpx4w": http.StatusMisdirectedRequest,
	} {
		w := httptest.NewRecorder()
		h.certificates.ServeHTTP(w, httptest.NewRequest(http.MethodGet, address, nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", address, w.Code, want)
		}
	}
}

func TestAnAddressOfAnotherStepLeadsToTheCurrentOne(t *testing.T) {
	b := newHouse(t).browser(t, i18n.Japanese)
	b.open("/authorize")
	journey := strings.TrimSuffix(b.at, "/login")
	for _, step := range []string{"/consent", "/pin", "/handover", "/nonsense", ""} {
		b.open(journey + step)
		b.stands("login", "AL-100", http.StatusOK)
	}
}

func TestAReloadAndAPressOfAPageThatIsOverLeadToTheCurrentPage(t *testing.T) {
	b := newHouse(t).browser(t, i18n.Japanese)
	b.open("/authorize")
	action, body := b.form("API連携")
	body.Set("login_id", "all.steps")
	body.Set("password", "demo-all-steps-2468")
	b.send(http.MethodPost, action, body)
	b.stands("question", "AL-200", http.StatusOK)
	b.send(http.MethodPost, action, body)
	b.stands("question", "AL-200", http.StatusOK)
}

func TestAnErrorLosesNothingThatWasChosen(t *testing.T) {
	b := newHouse(t).browser(t, i18n.English)
	b.open("/authorize")
	b.press("Link by API", "login_id", "pin.mixed", "password", "demo-pin-mixed-2468")
	b.stands("business", "AL-300", http.StatusOK)
	action, body := b.form("Next")
	body["functions"] = []string{"deposits"}
	b.send(http.MethodPost, action, body)
	b.stands("pin", "AL-400", http.StatusOK)
	action, body = b.form("Register")
	body["chosen"] = []string{"001-1-1000401"}
	body.Set("pin-001-1-1000401", "1401")
	b.send(http.MethodPost, action, body)
	b.press("Register more inquiry PINs")
	action, body = b.form("Register")
	body["chosen"] = []string{"002-1-1000402"}
	body.Set("pin-002-1-1000402", "12a4")
	b.send(http.MethodPost, action, body)
	b.stands("pin", "AL-400", http.StatusUnprocessableEntity)
	for _, i := range b.page.named("input") {
		if i.attrs["name"] == "chosen" && i.has("checked") != (i.attrs["value"] == "002-1-1000402") {
			t.Errorf("the choice of %s was lost", i.attrs["value"])
		}
	}
	if strings.Contains(b.html, "12a4") {
		t.Error("a PIN is shown again")
	}
	b.press("Go on and register later")
	b.stands("consent", "AL-500", http.StatusOK)
	b.press("Allow", "intent", "stop")
	b.stands("consent", "AL-500", http.StatusUnprocessableEntity)
	if !strings.Contains(transcribe(b.page), "(•) Stop the permission") {
		t.Error("the choice was lost")
	}
	b.press("Do not allow")
	b.stands("handover", "AL-510", http.StatusOK)
	if !strings.Contains(b.html, "refused_by_customer") || !strings.Contains(b.html, `http-equiv="refresh"`) {
		t.Errorf("the way back is not shown:\n%s", b.html)
	}
}

func TestALanguageThatIsChosenStaysAndKeepsThePlace(t *testing.T) {
	b := newHouse(t).browser(t, i18n.Japanese)
	b.open("/authorize")
	at := b.at
	b.open(at + "?lang=en")
	if b.at != at || !strings.Contains(b.heading(), "API Linkage") {
		t.Errorf("at %s stands %s", b.at, b.heading())
	}
	b.press("Link by API", "login_id", "", "password", "")
	if b.status != http.StatusUnprocessableEntity || !strings.Contains(b.page.words(), "Enter your login ID") {
		t.Errorf("%d: %s", b.status, transcribe(b.page))
	}
}

func TestTimeThatIsOverIsSaidAndLeadsBackToThePartner(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t, i18n.Japanese)
	b.open("/authorize")
	*h.clock = noon.Add(14 * time.Minute)
	b.press("時間を延長する")
	b.stands("login", "AL-100", http.StatusOK)
	*h.clock = noon.Add(28 * time.Minute)
	b.open(b.at)
	b.stands("login", "AL-100", http.StatusOK)
	*h.clock = noon.Add(30 * time.Minute)
	b.open(b.at)
	b.stands("ended", "AL-930", http.StatusGone)
	b.press("連携先へ戻る")
	b.stands("handover", "AL-510", http.StatusOK)
	if !strings.Contains(b.html, "timed_out") {
		t.Errorf("the partner is not told why:\n%s", b.html)
	}
}

func TestTheScriptExtendsTheTimeWithoutLosingThePage(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t, i18n.Japanese)
	b.open("/authorize")
	*h.clock = noon.Add(10 * time.Minute)
	action, body := b.form("時間を延長する")
	r := httptest.NewRequest(http.MethodPost, "https://bank.example"+action, strings.NewReader(body.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Accept-Language", "ja")
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	h.pages.ServeHTTP(w, r)
	if want := `{"seconds":900,"until":"(14:30まで)","extendable":true}` + "\n"; w.Code != http.StatusOK || w.Body.String() != want {
		t.Errorf("%d %s, want %s", w.Code, w.Body, want)
	}
}

func TestWhatIsNotOursIsRefusedWithAPage(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t, i18n.Japanese)
	for address, screen := range map[string]string{
		"/nowhere":                     "AL-990",
		"/link/jny_X/login":            "AL-990",
		"/link/not-a-journey":          "AL-990",
		"/link/jny_wgqbrikpx4w/login":  "AL-940",
		"/link/jny_wgqbrikpx4w/extend": "AL-940",
	} {
		b.open(address)
		if !strings.Contains(b.page.words(), screen) {
			t.Errorf("%s: %d, want %s:\n%s", address, b.status, screen, transcribe(b.page))
		}
	}
	r := httptest.NewRequest(http.MethodPost, "https://bank.example/link/jny_wgqbrikpx4w/leave", strings.NewReader(url.Values{}.Encode()))
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	h.pages.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "AL-991") {
		t.Errorf("a foreign form: %d %s", w.Code, w.Body)
	}
}

func TestABrowserKeepsOnlyAFewJourneys(t *testing.T) {
	b := newHouse(t).browser(t, i18n.Japanese)
	for range maxJourneys + 4 {
		b.open("/authorize")
	}
	if n := len(b.cookies); n > maxJourneys {
		t.Errorf("the browser keeps %d cookies", n)
	}
	if n := cookieHeader(b); n > 8000 {
		t.Errorf("the browser sends %d bytes of cookies with every request", n)
	}
	b.stands("login", "AL-100", http.StatusOK)
}

// cookieHeader is how long the line is in which a browser sends its cookies.
func cookieHeader(b *browser) int {
	n := len("Cookie: ")
	for name, value := range b.cookies {
		n += len(name) + len("=") + len(value) + len("; ")
	}
	return n
}

func TestASessionSkipsTheLoginInItsBrowserAloneAndGivesWayToAnotherUser(t *testing.T) {
	h := newHouse(t)
	h.Linkage.Rules.SessionFor = time.Hour
	b := h.browser(t, i18n.Japanese)
	b.open("/authorize")
	b.press("API連携", "login_id", "ok.pw", "password", "demo-ok-pw-2468")
	b.stands("business", "AL-300", http.StatusOK)
	if strings.Contains(b.page.words(), "別の利用者としてログインする") {
		t.Error("who has just logged in is asked to log in as another")
	}
	b.open("/authorize")
	b.stands("business", "AL-300", http.StatusOK)
	if words := b.page.words(); !strings.Contains(words, "ログイン済みです") {
		t.Errorf("the page does not say who is signed in:\n%s", transcribe(b.page))
	}
	other := h.browser(t, i18n.Japanese)
	other.open("/authorize")
	other.stands("login", "AL-100", http.StatusOK)
	for range maxJourneys {
		b.open("/authorize")
	}
	b.press("別の利用者としてログインする")
	b.stands("login", "AL-100", http.StatusOK)
	kept := 0
	for name := range b.cookies {
		if strings.HasPrefix(name, web.HostPrefix+"jny_") {
			kept++
		}
	}
	if kept > maxJourneys || kept < 2 {
		t.Errorf("the browser keeps %d journeys", kept)
	}
	if n := cookieHeader(b); n > 8000 {
		t.Errorf("the browser sends %d bytes of cookies with every request", n)
	}
	if b.cleared != `"cache"` {
		t.Errorf("the browser is told to forget %q; pages of the user before may come back", b.cleared)
	}
	if b.cookies["__Host-session"] != "" {
		t.Error("the browser still holds the session")
	}
	b.open("/authorize")
	b.stands("login", "AL-100", http.StatusOK)
}
