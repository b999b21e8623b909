package protocol

import (
	"html/template"
	"net/http"

	"renkei.dev/internal/oauth"
)

// explanations say to a partner's engineers why an authorization ended, and what
// to do (error_uri, RFC 6749 §4.1.2.1).
var explanations = map[oauth.Reason]explanation{
	oauth.RefusedByCustomer: {"お客さまが「許可しない」を選んだか、途中で手続きをやめました。", "The customer refused, or left the journey. Offer the link again only when they ask for it."},
	oauth.TimedOut:          {"手続きの制限時間が過ぎました。もう一度はじめからお手続きください。", "The time for the journey was over. Begin again with a new request."},
	oauth.UserLocked:        {"ご利用者のインターネットバンキングが停止しています。会社の管理者またはお取引店での解除が必要です。", "The user is stopped at internet banking. The company's administrator or the branch lifts that."},
	oauth.NotPermitted:      {"ご利用者に、この手続きの権限がありません。", "The user may not link. The company's administrator gives the permission."},
	oauth.OutOfHours:        {"サービス時間外です。時間をおいてお試しください。", "The bank is out of service hours. Try again later."},
	oauth.NothingToLink:     {"連携できる口座または業務がありません。", "There is no account or function that this user could link."},
	oauth.NotSetUp:          {"初回の設定または追加認証の登録が済んでいません。インターネットバンキングでの設定が必要です。", "The user has to finish setting up internet banking first."},
	oauth.ContractEnded:     {"会社のインターネットバンキングのご契約が終了しています。", "The company's contract for internet banking has ended."},
	oauth.PartnerStopped:    {"このサービスとの連携は、金融機関が止めています。金融機関へお問い合わせください。", "The bank has stopped this service. Contact the bank."},
	oauth.BankUnavailable:   {"金融機関のシステムから応答がありません。時間をおいてお試しください。", "The bank's core system does not answer. Try again later."},
	oauth.ACRNotMet:         {"要求された認証方法（acr）でのログインではありませんでした。", "The login was not by the authentication context that the request demands. Ask for what acr_values_supported names."},
	oauth.AnotherUser:       {"要求で指定された利用者とは別の利用者がログインしました。", "Another user logged in than the one whom the request names. Begin again without naming one, or with the right user."},
}

type explanation struct{ JA, EN string }

var reasonPage = template.Must(template.New("reason").Parse(`<!doctype html>
<html lang="ja"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Word}}</title>
<main><h1>{{.Word}}</h1>
<p>{{.JA}}</p>
<p lang="en">{{.EN}}</p></main></html>
`))

// reason is the page that error_uri leads to.
func (e edge) reason(w http.ResponseWriter, r *http.Request) {
	word := oauth.Reason(r.PathValue("reason"))
	said, known := explanations[word]
	if !known {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=300")
	page := struct {
		Word oauth.Reason
		explanation
	}{word, said}
	if err := reasonPage.Execute(w, page); err != nil {
		e.Log.InfoContext(r.Context(), "a page was not taken", "path", r.URL.Path, "why", err.Error())
	}
}
