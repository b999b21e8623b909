package service

import (
	"fmt"
	"strconv"
	"strings"

	"renkei.dev/internal/i18n"
)

// words writes a page in one language.
type words struct{ i18n.Words }

// T returns a sentence of ours; what it is about fills its verbs.
func (w words) T(key string, about ...any) string {
	pair, ok := sentences[key]
	if !ok {
		panic("no words for " + key) // a test looks through all pages
	}
	text := pair.ja
	if !w.InJapanese() {
		text = pair.en
	}
	if len(about) == 0 {
		return text
	}
	return fmt.Sprintf(text, about...)
}

// Told returns the sentence for a word from outside, and the general one for a
// word that is not known.
func (w words) Told(prefix, word string) string {
	if key := prefix + "." + word; known(key) {
		return w.T(key)
	}
	return w.T(prefix + ".other")
}

// Amount writes whole yen that came as a string of digits.
func (w words) Amount(digits string) string {
	yen, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return digits
	}
	return w.Yen(yen)
}

// Functions lists business functions by their names.
func (w words) Functions(list []string) string {
	var names []string
	for _, f := range list {
		if known("function." + f) {
			names = append(names, w.T("function."+f))
		}
	}
	if w.InJapanese() {
		return strings.Join(names, "、")
	}
	return strings.Join(names, ", ")
}

func known(key string) bool {
	_, ok := sentences[key]
	return ok
}

type pair struct{ ja, en string }

// sentences are all words of the pages, Japanese being the source.
var sentences = map[string]pair{
	"skip":             {"本文へ進む", "Skip to main content"},
	"language.label":   {"言語", "Language"},
	"nav.label":        {"メニュー", "Menu"},
	"nav.home":         {"口座", "Accounts"},
	"nav.wire":         {"通信の記録", "Messages"},
	"foot.fictional":   {"これは Renkei のデモです。%sも、そのサービスも、架空のものです。", "This is a demo of Renkei. %s and its service are fictional."},
	"foot.corporation": {"運営：%s", "Run by %s"},

	"home.title":          {"銀行口座", "Bank accounts"},
	"home.empty.title":    {"帳簿に、銀行口座の残高と明細を", "Your bank balances, straight into your books"},
	"home.empty.lead":     {"%sの口座を連携すると、残高や入出金の明細を自動で取り込みます。通帳を見ながらの入力は、もう要りません。", "Link your accounts at %s and their balances and entries come in by themselves. No more typing from a passbook."},
	"home.point.password": {"銀行のパスワードを、このサービスに入力することはありません。", "You never type your bank password into this service."},
	"home.point.readonly": {"見るだけの連携です。お金を動かすことはできません。", "The link only reads. It cannot move money."},
	"home.point.end":      {"いつでも、この画面から解除できます。", "You can end it here at any time."},
	"home.link":           {"銀行口座を連携する", "Link bank accounts"},
	"home.link.narrow":    {"残高だけを連携する", "Link balances only"},
	"home.link.more":      {"ほかの口座を連携する", "Link more accounts"},
	"home.asks":           {"お願いする情報：%s", "What we ask for: %s"},
	"home.asks.narrow":    {"入出金の明細は受け取りません。", "We then get no entries."},
	"home.leave":          {"%sの画面に移ります。", "This takes you to %s."},
	"home.total":          {"残高の合計", "Total of all balances"},
	"home.linked":         {"%s に連携", "Linked on %s"},
	"home.granted":        {"受け取る情報", "What we may read"},
	"home.fetched":        {"%s に取得", "Fetched on %s"},
	"home.never":          {"まだ取得していません", "Not fetched yet"},
	"home.balance":        {"残高", "Balance"},
	"home.available":      {"支払可能残高", "Available"},
	"home.nobalance":      {"残高は許可されていません", "Balance not allowed"},
	"home.stale":          {"前回 %s の残高です。", "This is the balance of %s."},
	"home.refresh":        {"更新", "Refresh"},
	"home.unlink":         {"連携を解除する", "End this link"},
	"home.transactions":   {"入出金明細", "Entries"},
	"home.deposits":       {"振込入金明細", "Received transfers"},
	"home.noaccounts":     {"口座はありません。", "There is no account."},

	"function.balance":      {"残高照会", "Balance"},
	"function.transactions": {"入出金明細照会", "Entries"},
	"function.deposits":     {"振込入金明細照会", "Received transfers"},

	"notice.linked":    {"口座を連携しました。", "Your accounts are linked."},
	"notice.refreshed": {"最新の情報に更新しました。", "Everything is up to date."},
	"notice.unlinked":  {"連携を解除しました。銀行の側でも、このサービスへの許可は取り消されています。", "The link has ended. The bank has withdrawn its permission too."},

	"unlink.title": {"連携の解除", "End this link"},
	"unlink.lead":  {"次の口座の連携を解除します。以後、残高や明細を取り込めなくなります。", "The link to these accounts will end. Balances and entries will come in no more."},
	"unlink.do":    {"連携を解除する", "End this link"},
	"unlink.keep":  {"解除せずに戻る", "Keep it and go back"},

	"statement.title.transactions": {"入出金明細", "Entries"},
	"statement.title.deposits":     {"振込入金明細", "Received transfers"},
	"statement.since":              {"%s 以降の明細です。古い順に並んでいます。", "Entries since %s, oldest first."},
	"statement.date":               {"日付", "Date"},
	"statement.remarks":            {"摘要", "Description"},
	"statement.in":                 {"入金", "In"},
	"statement.out":                {"出金", "Out"},
	"statement.balance":            {"残高", "Balance"},
	"statement.none":               {"この期間の明細はありません。", "There are no entries in this period."},
	"statement.next":               {"続きの明細を見る", "Show more entries"},
	"statement.back":               {"口座の一覧へ戻る", "Back to the accounts"},

	"problem.pin_not_registered":          {"照会用暗証番号が登録されていないため、残高を取得できません。もう一度連携して、番号を登録してください。", "The inquiry PIN is not registered, so the balance cannot be read. Link again and register it."},
	"problem.pin_pending":                 {"照会用暗証番号を銀行が確認しています。しばらくしてから「更新」を押してください。", "The bank is checking the inquiry PIN. Press Refresh in a while."},
	"problem.pin_rejected":                {"照会用暗証番号が銀行の登録と一致しません。もう一度連携して、正しい番号を登録してください。", "The inquiry PIN does not match the bank's. Link again and register the right one."},
	"problem.pin_locked":                  {"照会が銀行で停止されています。取引店へお問い合わせください。", "The bank has locked inquiries. Please contact your branch."},
	"problem.account_closed":              {"この口座は解約されています。", "This account has been closed."},
	"problem.account_not_in_consent":      {"この口座は連携の対象から外れています。必要なときは、もう一度連携してください。", "This account is no longer part of the link. Link again if you need it."},
	"problem.permission_removed":          {"この口座を照会する権限がなくなりました。会社の管理者にお問い合わせください。", "You may no longer look at this account. Ask your company's administrator."},
	"problem.insufficient_scope":          {"残高の照会は許可されていません。", "Reading the balance was not allowed."},
	"problem.out_of_service_hours":        {"銀行のサービス時間外です。時間内に「更新」を押してください。", "The bank is out of service hours. Press Refresh within them."},
	"problem.core_unavailable":            {"銀行のシステムから応答がありません。しばらくしてから「更新」を押してください。", "The bank's system does not answer. Press Refresh in a while."},
	"problem.temporarily_busy":            {"銀行が混み合っています。しばらくしてから「更新」を押してください。", "The bank is busy. Press Refresh in a while."},
	"problem.bank_unavailable":            {"銀行が一時的に利用できません。しばらくしてから「更新」を押してください。", "The bank is unavailable for now. Press Refresh in a while."},
	"problem.bank_unreachable":            {"銀行につながりません。しばらくしてから「更新」を押してください。", "The bank cannot be reached. Press Refresh in a while."},
	"problem.consent_expired":             {"連携の期限が切れました。続けるには、もう一度連携してください。", "The link has expired. Link again to go on."},
	"problem.consent_revoked_by_customer": {"銀行の画面から連携が解除されています。", "The link was ended at the bank."},
	"problem.consent_revoked_by_bank":     {"銀行が連携を終了しました。取引店へお問い合わせください。", "The bank has ended the link. Please contact your branch."},
	"problem.consent_suspended":           {"銀行が連携を一時停止しています。取引店へお問い合わせください。", "The bank has suspended the link. Please contact your branch."},
	"problem.consent_replaced":            {"新しい連携に置き換わりました。この連携は解除してかまいません。", "A newer link has replaced this one. You may end it."},
	"problem.invalid_grant":               {"この連携は、銀行の側で終わっています。続けるには、もう一度連携してください。", "The bank no longer knows this link. Link again to go on."},
	"problem.invalid_token":               {"この連携は、銀行の側で終わっています。続けるには、もう一度連携してください。", "The bank no longer knows this link. Link again to go on."},
	"problem.partner_suspended":           {"銀行が、このサービスとの連携を停止しています。", "The bank has stopped this service."},
	"problem.contract_not_effective":      {"銀行とこのサービスの契約が有効ではありません。", "This service's contract with the bank is not in force."},
	"problem.user_stopped":                {"インターネットバンキングのご利用が停止されています。会社の管理者または取引店へお問い合わせください。", "Your internet banking has been stopped. Ask your administrator or the branch."},
	"problem.service_contract_ended":      {"インターネットバンキングのご契約が終了しています。", "Your internet banking contract has ended."},
	"problem.other":                       {"銀行から情報を受け取れませんでした。しばらくしてから「更新」を押してください。", "Nothing came from the bank. Press Refresh in a while."},

	"trouble.code":  {"銀行からのエラーコード", "The bank's error code"},
	"trouble.home":  {"口座の画面へ戻る", "Back to the accounts"},
	"trouble.retry": {"もう一度連携する", "Try linking again"},

	"trouble.refused_by_customer":     {"連携は行われませんでした", "Nothing was linked"},
	"next.refused_by_customer":        {"銀行の画面で「許可しない」が選ばれました。口座の情報は受け取っていません。必要になったら、いつでもやり直せます。", "You chose not to allow it at the bank. We received nothing. You can start again whenever you like."},
	"trouble.timed_out":               {"時間切れになりました", "Time ran out"},
	"next.timed_out":                  {"銀行での手続きが制限時間を超えました。照会用暗証番号などをお手元に用意して、もう一度お試しください。", "The bank's time limit was reached. Have your inquiry PINs at hand and try again."},
	"trouble.user_locked":             {"インターネットバンキングのご利用が停止されています", "Your internet banking is stopped"},
	"next.user_locked":                {"会社の管理者または取引店に、停止の解除を依頼してください。そのあとで、もう一度連携してください。", "Ask your company's administrator or the branch to lift the stop, then link again."},
	"trouble.not_permitted":           {"API連携の権限がありません", "You may not link accounts"},
	"next.not_permitted":              {"会社の管理者に権限の付与を依頼するか、権限のある方に連携を依頼してください。", "Ask your company's administrator for the permission, or ask someone who has it to link."},
	"trouble.out_of_hours":            {"銀行のサービス時間外です", "The bank is closed for now"},
	"next.out_of_hours":               {"サービス時間内に、もう一度お試しください。", "Try again within its service hours."},
	"trouble.nothing_to_link":         {"連携できる口座がありません", "There is no account to link"},
	"next.nothing_to_link":            {"会社の管理者に、照会できる口座の追加を依頼してください。", "Ask your company's administrator to let you inquire about an account."},
	"trouble.not_set_up":              {"インターネットバンキングの初期設定が済んでいません", "Internet banking is not set up yet"},
	"next.not_set_up":                 {"銀行のインターネットバンキングで初期設定を済ませてから、もう一度連携してください。", "Finish the set-up at the bank's internet banking first, then link again."},
	"trouble.contract_ended":          {"銀行とのご契約が終了しています", "Your contract with the bank has ended"},
	"next.contract_ended":             {"取引店へお問い合わせください。", "Please contact your branch."},
	"trouble.partner_stopped":         {"このサービスとの連携が停止されています", "Linking with this service is stopped"},
	"next.partner_stopped":            {"私どもの窓口へお問い合わせください。", "Please contact our help desk."},
	"trouble.bank_unavailable":        {"銀行が一時的に利用できません", "The bank is unavailable for now"},
	"next.bank_unavailable":           {"しばらくしてから、もう一度お試しください。手続きが二重になることはありません。", "Try again in a while. Nothing will be done twice."},
	"trouble.temporarily_busy":        {"銀行が混み合っています", "The bank is busy"},
	"next.temporarily_busy":           {"しばらくしてから、もう一度お試しください。", "Try again in a while."},
	"trouble.bank_unreachable":        {"銀行につながりません", "The bank cannot be reached"},
	"next.bank_unreachable":           {"少し待ってから、この画面を再読み込みしてください。手続きの途中でしたら、続きから始まります。", "Wait a moment and reload this page. If you were half-way, it goes on from there."},
	"trouble.out_of_service_hours":    {"銀行のサービス時間外です", "The bank is closed for now"},
	"next.out_of_service_hours":       {"サービス時間内に、もう一度お試しください。", "Try again within its service hours."},
	"trouble.core_unavailable":        {"銀行のシステムから応答がありません", "The bank's system does not answer"},
	"next.core_unavailable":           {"しばらくしてから、もう一度お試しください。", "Try again in a while."},
	"trouble.pin_rejected":            {"照会用暗証番号が銀行の登録と一致しません", "The inquiry PIN does not match the bank's"},
	"next.pin_rejected":               {"もう一度連携して、正しい番号を登録してください。", "Link again and register the right PIN."},
	"trouble.pin_not_registered":      {"照会用暗証番号が登録されていません", "The inquiry PIN is not registered"},
	"next.pin_not_registered":         {"もう一度連携して、番号を登録してください。", "Link again and register it."},
	"trouble.pin_pending":             {"照会用暗証番号を銀行が確認しています", "The bank is checking the inquiry PIN"},
	"next.pin_pending":                {"しばらくしてから、もう一度開いてください。", "Open this page again in a while."},
	"trouble.pin_locked":              {"照会が銀行で停止されています", "The bank has locked inquiries"},
	"next.pin_locked":                 {"取引店へお問い合わせください。", "Please contact your branch."},
	"trouble.account_closed":          {"この口座は解約されています", "This account has been closed"},
	"next.account_closed":             {"口座の画面へ戻り、必要なら連携を解除してください。", "Go back to the accounts and end the link if you wish."},
	"trouble.invalid_grant":           {"銀行が手続きを受け付けませんでした", "The bank did not accept it"},
	"next.invalid_grant":              {"引き換えの期限（60秒）が過ぎたか、連携が終わっています。もう一度連携してください。", "The 60 seconds for the exchange have passed, or the link has ended. Please link again."},
	"trouble.consent_expired":         {"連携の期限が切れました", "The link has expired"},
	"next.consent_expired":            {"続けるには、もう一度連携してください。", "Link again to go on."},
	"trouble.access_denied":           {"連携は行われませんでした", "Nothing was linked"},
	"next.access_denied":              {"口座の情報は受け取っていません。必要なときは、もう一度お試しください。", "We received nothing. Try again when you need it."},
	"trouble.server_error":            {"銀行で問題が起きました", "Something failed at the bank"},
	"next.server_error":               {"しばらくしてから、もう一度お試しください。", "Try again in a while."},
	"trouble.temporarily_unavailable": {"銀行が一時的に利用できません", "The bank is unavailable for now"},
	"next.temporarily_unavailable":    {"しばらくしてから、もう一度お試しください。", "Try again in a while."},
	"trouble.unknown_state":           {"この手続きは、このブラウザーで始まっていません", "This browser did not start this"},
	"next.unknown_state":              {"連携を始めたのと同じブラウザーで続けるか、はじめからやり直してください。第三者の手続きを完了させないための確認です。", "Go on in the browser that started it, or start again. This check keeps you from finishing someone else's linking."},
	"trouble.other_issuer":            {"別の発行者からの応答でした", "The answer came from another issuer"},
	"next.other_issuer":               {"安全のため、受け取らずに終了しました。はじめからやり直してください。", "To be safe, we did not take it. Please start again."},
	"trouble.no_code":                 {"銀行からの応答が読み取れません", "The bank's answer cannot be read"},
	"next.no_code":                    {"はじめからやり直してください。", "Please start again."},
	"trouble.not_found":               {"ページが見つかりません", "There is no such page"},
	"next.not_found":                  {"口座の画面からお進みください。", "Please go on from the accounts."},
	"trouble.own_fault":               {"このサービスで問題が起きました", "Something failed in this service"},
	"next.own_fault":                  {"しばらくしてから、もう一度お試しください。", "Try again in a while."},
	"trouble.other":                   {"連携できませんでした", "Linking did not work"},
	"next.other":                      {"はじめからやり直してください。続くときは、下のコードを添えて窓口へお問い合わせください。", "Please start again. If it goes on, tell our help desk the code below."},

	"wire.title":    {"通信の記録", "Messages"},
	"wire.lead":     {"このサービスと銀行のあいだを流れたすべての通信を、新しい順に並べています。開くと中身と、そうする理由を読めます。", "Every message between this service and the bank, newest first. Open one to read it and why it is so."},
	"wire.masked":   {"コードやトークンなど、持っているだけで使えてしまう値は「…」で伏せ、記録にも残していません。", "Values that work for whoever holds them, such as codes and tokens, are cut by “…” and not kept at all."},
	"wire.none":     {"まだ通信はありません。口座を連携すると、ここに並びます。", "There is nothing yet. Link an account and it will appear here."},
	"wire.clear":    {"記録を消す", "Clear the record"},
	"wire.front":    {"ブラウザー経由", "through the browser"},
	"wire.back":     {"サーバー間", "server to server"},
	"wire.noanswer": {"応答なし", "no answer"},
	"wire.sent":     {"送ったもの", "Sent"},
	"wire.got":      {"受け取ったもの", "Received"},
	"wire.headers":  {"ヘッダー", "Headers"},
	"wire.fields":   {"パラメーター", "Parameters"},
	"wire.body":     {"本文（JSON）", "Body (JSON)"},
	"wire.jwt":      {"%s の中身（JWT を読める形にしたもの。署名は省いています）", "Inside %s (a JWT made readable, without its signature)"},
	"wire.nonce":    {"銀行が新しい nonce を求めたため、それを入れた証明を作り直して、すぐに送り直します（RFC 9449 §8・§9）。", "The bank demands a fresh nonce; the proof is made anew with it and sent again at once (RFC 9449 §8, §9)."},

	"step.discovery":                {"銀行が公開している設定を読みます。宛先はここに書かれたものだけを使い、issuer が一致することを確かめます（RFC 8414 §3）。", "Reads what the bank publishes about itself. Only these addresses are used, and the issuer must match (RFC 8414 §3)."},
	"step.par":                      {"お願いの中身を、ブラウザーを通さず先に銀行へ預けます（RFC 9126 §2）。署名した client_assertion で誰かを示し（RFC 7523 §2.2）、code_challenge で引き換えを自分だけのものにし（RFC 7636 §4.3）、authorization_details で必要な業務だけを求めます（RFC 9396 §2）。DPoP の証明は、コードを鍵に結び付けます（RFC 9449 §10）。", "Hands the request to the bank first, past the browser (RFC 9126 §2). A signed client_assertion says who asks (RFC 7523 §2.2), code_challenge makes the exchange ours alone (RFC 7636 §4.3), authorization_details ask for no more than needed (RFC 9396 §2). The DPoP proof binds the code to a key (RFC 9449 §10)."},
	"step.par.tls_client_auth":      {"お願いの中身を、ブラウザーを通さず先に銀行へ預けます（RFC 9126 §2）。誰かは TLS のクライアント証明書で示し（RFC 8705 §2）、code_challenge で引き換えを自分だけのものにし（RFC 7636 §4.3）、authorization_details で必要な業務だけを求めます（RFC 9396 §2）。", "Hands the request to the bank first, past the browser (RFC 9126 §2). The TLS client certificate says who asks (RFC 8705 §2), code_challenge makes the exchange ours alone (RFC 7636 §4.3), authorization_details ask for no more than needed (RFC 9396 §2)."},
	"step.authorize":                {"ブラウザーが銀行へ持って行くのは client_id と request_uri だけです。中身は読まれも書き換えられもしません（RFC 9126 §4）。", "All that the browser carries to the bank is client_id and request_uri: nothing to read, nothing to change (RFC 9126 §4)."},
	"step.callback":                 {"銀行からの戻りです。state が自分のものか（RFC 6749 §10.12）、iss が頼んだ銀行か（RFC 9207 §2.4）を確かめてから、コードを使います。", "The way back from the bank. state must be ours (RFC 6749 §10.12) and iss the bank that we asked (RFC 9207 §2.4) before the code is used."},
	"step.token":                    {"コードをトークンに引き換えます（RFC 6749 §4.1.3）。code_verifier は預けた code_challenge の元の値です（RFC 7636 §4.5）。トークンは DPoP の鍵に結び付き、盗まれても他の鍵では使えません（RFC 9449 §5）。", "Exchanges the code for tokens (RFC 6749 §4.1.3). code_verifier is what the code_challenge was made of (RFC 7636 §4.5). The token is bound to the DPoP key; stolen, it is of no use without it (RFC 9449 §5)."},
	"step.token.tls_client_auth":    {"コードをトークンに引き換えます（RFC 6749 §4.1.3）。code_verifier は預けた code_challenge の元の値です（RFC 7636 §4.5）。トークンはクライアント証明書に結び付き、盗まれても他の証明書では使えません（RFC 8705 §3）。", "Exchanges the code for tokens (RFC 6749 §4.1.3). code_verifier is what the code_challenge was made of (RFC 7636 §4.5). The token is bound to the client certificate; stolen, it is of no use without it (RFC 8705 §3)."},
	"step.refresh":                  {"新しいアクセストークンを受け取ります（RFC 6749 §6）。そのたびに同意の範囲と期限が確かめ直されます。リフレッシュトークンは替わりません（FAPI 2.0 Security Profile §5.3.2.1）。", "Gets a new access token (RFC 6749 §6). Extent and end of the consent are checked anew each time. The refresh token stays the same (FAPI 2.0 Security Profile §5.3.2.1)."},
	"step.accounts":                 {"連携した口座の一覧です。DPoP の ath はアクセストークンのハッシュで、証明をこのトークンに結び付けます（RFC 9449 §7）。", "The accounts that were linked. ath in the DPoP proof is the hash of the access token and ties the two together (RFC 9449 §7)."},
	"step.accounts.tls_client_auth": {"連携した口座の一覧です。銀行は、接続のクライアント証明書がトークンのものと同じかを確かめます（RFC 8705 §3）。", "The accounts that were linked. The bank checks that the connection's certificate is the token's (RFC 8705 §3)."},
	"step.balance":                  {"残高です。証明は一回ごとに作り直し、jti は二度と使えません（RFC 9449 §11.1）。", "A balance. Each call has a proof of its own, whose jti works only once (RFC 9449 §11.1)."},
	"step.balance.tls_client_auth":  {"残高です。トークンと証明書の組が正しいときだけ答えが返ります（RFC 8705 §3）。", "A balance, answered only for token and certificate together (RFC 8705 §3)."},
	"step.transactions":             {"入出金明細です。同意の範囲（業務・口座・期間）は呼び出しのたびに確かめられます（RFC 9396 §9）。", "Entries. What was consented (function, account, period) is checked at each call (RFC 9396 §9)."},
	"step.deposits":                 {"振込入金明細です。同意の範囲（業務・口座・期間）は呼び出しのたびに確かめられます（RFC 9396 §9）。", "Received transfers. What was consented (function, account, period) is checked at each call (RFC 9396 §9)."},
	"step.revoke":                   {"連携の終わりを銀行に伝えます。リフレッシュトークンを取り消すと、同じ許可のアクセストークンもすべて使えなくなります（RFC 7009 §2.1）。", "Tells the bank that the link is over. Revoking the refresh token ends every access token of the same grant (RFC 7009 §2.1)."},

	"stepname.discovery":    {"設定を読む", "Read the bank's settings"},
	"stepname.par":          {"お願いを預ける（PAR）", "Push the request (PAR)"},
	"stepname.authorize":    {"銀行の画面へ", "To the bank's pages"},
	"stepname.callback":     {"銀行から戻る", "Back from the bank"},
	"stepname.token":        {"コードを引き換える", "Exchange the code"},
	"stepname.refresh":      {"トークンを更新する", "Refresh the token"},
	"stepname.accounts":     {"口座の一覧", "Accounts"},
	"stepname.balance":      {"残高", "Balance"},
	"stepname.transactions": {"入出金明細", "Entries"},
	"stepname.deposits":     {"振込入金明細", "Received transfers"},
	"stepname.revoke":       {"連携を終える", "End the link"},
}
