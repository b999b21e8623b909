package demo_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/app"
	"renkei.dev/internal/audit"
	"renkei.dev/internal/demo"
	"renkei.dev/internal/partner"
)

const (
	linkButton  = "銀行口座を連携する"
	certificate = "電子証明書ログイン"
)

// begins opens a partner's page and goes to the bank's first one.
func (d *running) begins(b *browser, partner int) page {
	b.t.Helper()
	return b.open(d.manifest.Partners[partner].URL).press(linkButton).shows("API連携認証（利用登録）", d.manifest.Partners[partner].Name)
}

// allows goes from the consent page back to the partner, which shows balances.
func (p page) allows() page {
	p.b.t.Helper()
	back := p.shows("情報アクセス許可").press("許可", "intent", "proceed").shows("受付完了").refreshed()
	if !strings.Contains(back.at.Hostname(), ".localhost") || back.status != 200 {
		p.b.t.Fatalf("it came back to %s, %d", back.at, back.status)
	}
	return back
}

// typed are the PIN fields of the page AL-400, by account number.
func (p page) typed(pins map[string]string) []string {
	var typed []string
	for _, row := range regexp.MustCompile(`(?s)<tr role="row".*?</tr>`).FindAllString(p.body, -1) {
		for number, pin := range pins {
			field := regexp.MustCompile(`name="([^"]*)" type="password"`).FindStringSubmatch(row)
			if field != nil && strings.Contains(row, number) && strings.Contains(row, "checked") {
				typed = append(typed, field[1], pin)
			}
		}
	}
	return typed
}

func TestAPasswordUserLinksAndThePartnerShowsTheBalances(t *testing.T) {
	d := startDemo(t)
	b := d.openBrowser(t, "")
	id, password, _, pins := d.user(t, "ok.pw")
	p := d.begins(b, 0).press("API連携", "login_id", id, "password", password)
	p = p.shows("認可業務選択").press("次へ").allows()
	for number := range pins {
		p.shows(number)
	}
	p.shows("円", d.manifest.Institutions[0].Name)
	if again := b.open(d.manifest.Partners[0].URL).shows("円"); again.status != 200 {
		t.Errorf("shown again: %d", again.status)
	}
}

func TestACertificateUserLinksThroughAllSixSteps(t *testing.T) {
	d := startDemo(t)
	b := d.openBrowser(t, "risk.cert")
	_, password, answer, pins := d.user(t, "risk.cert")
	p := d.begins(b, 0).follow(certificate).shows("risk.cert").press("API連携", "password", password)
	p = p.shows("追加認証").press("認証", "answer", answer)
	p = p.shows("認可業務選択").press("次へ")
	if strings.Contains(p.body, "照会用暗証番号登録") {
		p = p.press("登録", p.typed(pins)...).press("確定")
	}
	p.allows().shows("円")
}

func TestAPartnerWithMutualTLSHasNoChoiceOfFunctions(t *testing.T) {
	d := startDemo(t)
	b := d.openBrowser(t, "ok.cert")
	_, password, _, pins := d.user(t, "ok.cert")
	p := d.begins(b, 1).follow(certificate).press("API連携", "password", password)
	p = p.shows("照会用暗証番号登録")
	p = p.press("登録", p.typed(pins)...).shows("登録済み＊").press("確定")
	p.allows().shows("円", "1000201", "1000202")
}

func TestCertificatesThatCannotLogInGetAPageThatSaysWhy(t *testing.T) {
	d := startDemo(t)
	for user, screen := range map[string]string{
		"": "AL-901", "ng.expired": "AL-902", "ng.early": "AL-902", "ng.revoked": "AL-903", "ng.foreign": "AL-901", "ng.usage": "AL-905",
	} {
		t.Run(screen+" "+user, func(t *testing.T) {
			b := d.openBrowser(t, user)
			p := d.begins(b, 0).follow(certificate).shows(screen)
			if p.status != 403 {
				t.Errorf("status %d", p.status)
			}
		})
	}
}

func TestARefusalComesBackToThePartner(t *testing.T) {
	d := startDemo(t)
	b := d.openBrowser(t, "")
	id, password, _, _ := d.user(t, "ok.pw")
	p := d.begins(b, 1).press("API連携", "login_id", id, "password", password)
	p = p.shows("情報アクセス許可").press("許可しない").refreshed()
	if strings.Contains(p.body, "円") || p.at.Hostname() != "b.localhost" {
		t.Errorf("after a refusal %s shows\n%s", p.at, plain(p.body))
	}
}

func TestAJourneyGoesOnAfterARestart(t *testing.T) {
	d := startDemo(t)
	b := d.openBrowser(t, "")
	id, password, _, _ := d.user(t, "ok.pw")
	p := d.begins(b, 0).press("API連携", "login_id", id, "password", password).shows("認可業務選択")
	d.stop()
	if err := d.run(t); err != nil {
		t.Fatal(err)
	}
	b.client.CloseIdleConnections()
	p.press("次へ").allows().shows("円")
}

func TestAStoppedPartnerLinksNothing(t *testing.T) {
	d := startDemo(t)
	b := d.openBrowser(t, "")
	id, password, _, _ := d.user(t, "ok.pw")
	p := d.begins(b, 0)
	d.partner(t, partner.StatusChanged{Partner: "mihon-kaikei", From: partner.Active, To: partner.Stopped})
	answer := p.press("API連携", "login_id", id, "password", password).shows("AL-941")
	if answer.status != 400 {
		t.Errorf("status %d", answer.status)
	}
	d.partner(t, partner.StatusChanged{Partner: "mihon-kaikei", From: partner.Stopped, To: partner.Active})
	d.begins(b, 0).press("API連携", "login_id", id, "password", password).press("次へ").allows()
}

// partner stops or resumes a partner as the bank's staff do, and waits until the
// running bank must know.
func (d *running) partner(t *testing.T, c partner.StatusChanged) {
	t.Helper()
	settings, material, err := demo.Settings(d.folder, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	desk, err := app.OpenDesk(t.Context(), settings, material, settings.Institutions[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	defer desk.Close()
	c.Reason, c.At, c.By = "a test", time.Now(), audit.Actor{Kind: audit.Operator, ID: "test"}
	if err := desk.Store.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Second) // what rule 10 allows a node
}

func TestARequestThatNobodyPushedNeverLeadsBack(t *testing.T) {
	d := startDemo(t)
	query := url.Values{"client_id": {"cl_mihon-kaikei"}, "request_uri": {"urn:ietf:params:oauth:request_uri:none"}}
	p := d.openBrowser(t, "").open(d.manifest.Institutions[0].Issuer + "/authorize?" + query.Encode()).shows("AL-940")
	if p.status != 400 || strings.Contains(p.body, "a.localhost") {
		t.Errorf("status %d, %s", p.status, plain(p.body))
	}
}

func TestAfterItsOwnLifeARequestOpensOnlyWhereItBegan(t *testing.T) {
	d := startDemo(t)
	b := d.openBrowser(t, "")
	var link string
	b.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/authorize" {
			link = r.URL.String()
		}
		return nil
	}
	begun := d.begins(b, 0)
	stranger := d.openBrowser(t, "")
	stranger.open(link).shows("API連携認証（利用登録）") // within its life anybody may
	d.late.Store(int64(6 * time.Minute))
	if p := d.openBrowser(t, "").open(link); p.status != http.StatusBadRequest {
		t.Errorf("another browser, too late: %d %s", p.status, p.heading())
	}
	id, password, _, _ := d.user(t, "ok.pw")
	b.open(link).shows("API連携認証（利用登録）").press("API連携", "login_id", id, "password", password).shows("認可業務選択")
	b.open(link).shows("API連携認証（利用登録）")
	b.open(begun.at.String()).shows("API連携認証（利用登録）")
	d.late.Store(int64(30 * time.Minute)) // the journeys are over, and so is the right to begin again
	if p := b.open(link); p.status != http.StatusBadRequest {
		t.Errorf("after the journey's time: %d %s", p.status, p.heading())
	}
}
