package demo_test

import (
	"net/http"
	"strings"
	"testing"

	"renkei.dev/internal/config"
)

// Every request of the journey lands on another node than the one before, and one
// of the nodes is restarted on the way. The database is behind a pooler.
func TestOneJourneyWalksOverThreeNodes(t *testing.T) {
	private.Need(t)
	pooler, direct := private.Pooler(t), private.Create(t)
	f := newFleetBehind(t, direct, 3, func(d *config.Database) { d.URL, d.DirectURL, d.Pooled = pooler.URL(direct), direct, true })
	s := f.register("nodes")
	_, password, answer, _ := f.d.user(t, "risk.cert")
	form, verifier := s.asking()
	uri := s.must(http.StatusCreated, http.MethodPost, s.issuer+"/par", "", form).RequestURI
	p := f.browser("risk.cert").open(s.start(uri)).shows("API連携認証（利用登録）")
	p = p.follow(certificate).shows("risk.cert").press("API連携", "password", password).shows("追加認証")
	f.stop(1)
	p = p.press("認証", "answer", answer).shows("認可業務選択")
	f.start(1)
	p = p.press("次へ").shows("情報アクセス許可")
	s.must(http.StatusOK, http.MethodPost, s.token(), "", s.redeeming(s.code(p.press("許可", "intent", "proceed").shows("受付完了")), verifier))

	// Another customer, who has PINs to register.
	_, password, _, pins := f.d.user(t, "ok.cert")
	form, verifier = s.asking()
	uri = s.must(http.StatusCreated, http.MethodPost, s.issuer+"/par", "", form).RequestURI
	p = f.browser("ok.cert").open(s.start(uri)).follow(certificate).press("API連携", "password", password)
	p = p.shows("認可業務選択").press("次へ").shows("照会用暗証番号登録")
	p = p.press("登録", p.typed(pins)...).shows("登録済み＊").press("確定").shows("情報アクセス許可")
	f.stop(2)
	p = p.press("許可", "intent", "proceed").shows("受付完了")
	f.start(2)
	code := s.code(p)

	linked := s.must(http.StatusOK, http.MethodPost, s.token(), "", s.redeeming(code, verifier))
	accounts := s.must(http.StatusOK, http.MethodGet, s.accounts(), linked.AccessToken, nil).Accounts
	if len(accounts) == 0 {
		t.Fatal("no account is linked")
	}
	for _, a := range accounts {
		s.must(http.StatusOK, http.MethodGet, s.accounts()+"/"+a.ID+"/balance", linked.AccessToken, nil)
	}
	again := s.must(http.StatusOK, http.MethodPost, s.token(), "", refreshing(linked.RefreshToken))
	for range f.nodes {
		s.must(http.StatusOK, http.MethodGet, s.accounts(), again.AccessToken, nil)
	}
	// Used twice, on another node: the code revokes what it gave, on every node.
	if r := s.must(http.StatusBadRequest, http.MethodPost, s.token(), "", s.redeeming(code, verifier)); r.Error != "invalid_grant" {
		t.Errorf("the code again: %v", r)
	}
	for range f.nodes {
		s.must(http.StatusUnauthorized, http.MethodGet, s.accounts(), again.AccessToken, nil)
	}
	for i, n := range f.served() {
		if n < 3 {
			t.Errorf("node %d was asked %d times", i, n)
		}
	}
	if strings.Contains(f.d.log.String(), "level=ERROR") {
		t.Error("a node logged errors")
	}
	t.Logf("asked: %v", f.served())
}
