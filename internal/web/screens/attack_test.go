package screens

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"renkei.dev/internal/i18n"
	"renkei.dev/internal/linkage"
)

// security.md S15: what fetches addresses ahead, or looks at links in mails, opens
// every address there is and presses nothing.
func TestNothingIsChangedByAnAddressThatIsOnlyOpened(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t, i18n.Japanese)
	b.open("/authorize")
	steps := []func(){
		func() {},
		func() { b.press("API連携", "login_id", "pin.mixed", "password", "demo-pin-mixed-2468") },
		func() { b.press("次へ", "functions", "transactions") },
		func() {
			action, body := b.form("登録")
			body["chosen"] = []string{"001-1-1000401"}
			body.Set("pin-001-1-1000401", "1401")
			b.send(http.MethodPost, action, body)
		},
		func() { b.press("確定") },
	}
	want := []string{"login", "business", "pin", "pin-result", "consent"}
	for i, step := range steps {
		step()
		b.stands(want[i], "AL-", http.StatusOK)
		at, page := b.at, b.html
		journey := at[:strings.LastIndex(at, "/")]
		id, err := linkage.ParseJourneyID(strings.TrimPrefix(journey, base))
		must(t, err)
		row := func() linkage.Row {
			row, _, _, _ := h.Linkage.Store.Journey(context.Background(), id) // before the login there is none
			return row
		}
		before, cookie := row(), b.cookies["__Host-"+id.String()]
		for address := range h.presses() {
			b.open(journey + "/" + address)
			b.open(journey + "/" + address + "?intent=proceed&accounts=001-1-1000402&press=x&login_id=pin.mixed&password=demo-pin-mixed-2468")
		}
		for _, address := range []string{"/extend", "/ended", "/handover", "/certificate?once=hop_x", "/trouble", ""} {
			b.open(journey + address)
		}
		if after := row(); after.Version != before.Version || !after.TouchedAt.Equal(before.TouchedAt) || after.Step != before.Step {
			t.Errorf("at %s opening changed %+v to %+v", want[i], before, after)
		}
		if b.cookies["__Host-"+id.String()] != cookie {
			t.Errorf("at %s opening changed the cookie", want[i])
		}
		if b.open(at); alike(b.html) != alike(page) {
			t.Errorf("at %s the page is another one", want[i])
		}
	}
}

var differs = regexp.MustCompile(`(name="press" value|\?from)="?=?[A-Za-z0-9_-]+|jny_[a-z0-9]+|\d{4}-\d{4}-\d{4}`)

// alike is a page without what differs from journey to journey.
func alike(html string) string { return differs.ReplaceAllString(html, "…") }

// security.md S08: whether an id exists, and whose it is, stands in no byte of
// the answers, neither before the stop nor at it.
func TestTheIDDoorAnswersEveryIDInTheSameBytes(t *testing.T) {
	h := newHouse(t)
	first := map[int]string{}
	for _, id := range []string{"ok.pw", "nobody.here", "ok.cert", "ng.locked", "ng.setup", "risk.question"} {
		b := h.browser(t, i18n.Japanese)
		b.open("/authorize")
		action, body := b.form("API連携")
		for try := range 6 {
			body.Set("login_id", id)
			body.Set("password", "wrong-"+string(rune('a'+try)))
			b.send(http.MethodPost, action, body)
			said := strings.ReplaceAll(http.StatusText(b.status)+alike(b.html), id, "…")
			if len(first) == try {
				first[try] = said
			}
			if said != first[try] {
				t.Errorf("try %d of %s is answered\n%s\nthe first id\n%s", try, id, said, first[try])
			}
			if try < 4 {
				action, body = b.form("API連携")
			} else {
				b.open(action)
				action, body = b.form("API連携")
			}
		}
	}
	if len(first) != 6 || !strings.Contains(first[5], "AL-910") {
		t.Error("the stop was not seen")
	}
}

// security.md S19, S07: whoever follows a link that somebody sent sees whose
// service it is before the login, and for whom they decide before they allow.
func TestALinkThatWasForwardedSaysWhoseItIs(t *testing.T) {
	b := newHouse(t).browser(t, i18n.Japanese)
	b.open("/authorize")
	for _, want := range []string{mihonKaikei.Service, mihonKaikei.Corporation, mihonKaikei.RegistrationNumber} {
		if !strings.Contains(b.page.words(), want) {
			t.Errorf("the first page does not name %s", want)
		}
	}
	b.press("API連携", "login_id", "ok.pw", "password", "demo-ok-pw-2468")
	b.press("次へ", "functions", "transactions")
	b.press("登録", "pin-001-1-1000101", "1101", "pin-002-2-1000102", "1102")
	b.press("確定")
	b.stands("consent", "AL-500", http.StatusOK)
	for _, want := range []string{mihonKaikei.Service, mihonKaikei.Corporation, "株式会社見本商店", "見本 花子", "権限がない方は"} {
		if !strings.Contains(b.page.words(), want) {
			t.Errorf("the consent does not name %s", want)
		}
	}
	// S12: fields that the page never had change nothing of what it showed.
	action, body := b.form("許可")
	shown := b.page.words()
	for name, value := range map[string]string{
		"functions": "deposits", "last_day": "2099-12-31", "history_days": "3650", "partner": "another", "user": "usr_pin.none", "terms": "0",
	} {
		body.Set(name, value)
	}
	body.Set("intent", "proceed")
	body["accounts"] = []string{"001-1-1000101"}
	b.send(http.MethodPost, action, url.Values(body))
	b.stands("handover", "AL-510", http.StatusOK)
	if words := b.page.words(); strings.Contains(words, "振込入金明細照会") || strings.Contains(words, "2099") || strings.Contains(words, "1000102") ||
		!strings.Contains(words, "2027年2月22日") || !strings.Contains(shown, "2027年2月22日") {
		t.Errorf("the receipt is not what was shown:\n%s", words)
	}
}
