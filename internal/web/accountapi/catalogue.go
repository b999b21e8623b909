package accountapi

// kind is one entry of the catalogue of problems: one code, one cause, one next
// action (domain.md §7.4).
type kind struct {
	status int
	who    actor
	title  string // English, fixed
	action string // what to do, English
	ja     string // cause and action, for the partner to show its customer
}

// actor is who can do something about a problem.
type actor string

// The actors.
const (
	customerActs actor = "customer"
	companyActs  actor = "company_administrator"
	partnerActs  actor = "partner"
	bankActs     actor = "bank"
	nobodyActs   actor = "wait"
)

const (
	linkAgainEN = "Ask the customer to link the accounts again from your service."
	linkAgainJA = "サービスの画面から、もう一度連携のお手続きをしてください。"
	askBankEN   = "Contact the bank and state the request id."
	askBankJA   = "お取引店へお問い合わせください。"
)

// catalogue holds every code that this API answers with.
var catalogue = map[string]kind{
	// The token and its proof. The partner's program is what has to change.
	"invalid_request":    {400, partnerActs, "The request is malformed", "Correct the request; the detail says what is wrong.", "連携先のサービスからの要求に誤りがあります。サービスの提供元へお問い合わせください。"},
	"invalid_token":      {401, partnerActs, "The access token is not valid", "Get a new access token with the refresh token.", "連携の有効性を確認できませんでした。サービスの画面からもう一度お試しください。"},
	"invalid_dpop_proof": {401, partnerActs, "The DPoP proof is not valid", "Make a new proof for this very request.", "連携先のサービスからの要求に誤りがあります。サービスの提供元へお問い合わせください。"},
	"use_dpop_nonce":     {401, partnerActs, "A fresh DPoP nonce is needed", "Repeat the call with the nonce of the DPoP-Nonce header.", "もう一度お試しください。"},
	"insufficient_scope": {403, partnerActs, "The consent does not cover this function", "Call only what the customer allowed, or ask for a wider consent.", "この情報の提供は許可されていません。必要なときは、" + linkAgainJA},
	"not_found":          {404, partnerActs, "There is no such resource", "Correct the path.", "連携先のサービスからの要求に誤りがあります。サービスの提供元へお問い合わせください。"},
	"method_not_allowed": {405, partnerActs, "Only GET is answered here", "Use GET.", "連携先のサービスからの要求に誤りがあります。サービスの提供元へお問い合わせください。"},

	"insufficient_user_authentication": {401, customerActs, "The login behind the consent is too old or too weak for this function",
		"Ask the customer to link again, with the acr_values and max_age of the challenge in the authorization request.",
		"この情報の照会には、新しいログインによる連携が必要です。" + linkAgainJA},

	// The consent.
	"consent_expired":             {401, customerActs, "The consent has expired", linkAgainEN, "連携の有効期限が過ぎました。" + linkAgainJA},
	"consent_revoked_by_customer": {401, customerActs, "The customer has ended the consent", "Tell the customer; link again only if they wish so.", "お客さまのお手続きにより、連携は解除されています。"},
	"consent_revoked_by_bank":     {401, bankActs, "The bank has ended the consent", askBankEN, "金融機関により、連携は解除されています。" + askBankJA},
	"consent_partner":             {401, partnerActs, "The consent was ended on your request", linkAgainEN, "サービスの側のお手続きにより、連携は解除されています。"},
	"consent_replaced":            {401, partnerActs, "A renewed consent has taken the place of this one", "Use the tokens of the renewed consent.", "連携は更新されています。サービスの画面からもう一度お試しください。"},
	"consent_unused":              {401, customerActs, "The consent was never taken up", linkAgainEN, "連携のお手続きが完了していません。" + linkAgainJA},
	"consent_code_reused":         {401, customerActs, "The consent was ended because its code was used twice", linkAgainEN, "安全のため、連携を終了しました。" + linkAgainJA},
	"consent_suspended":           {401, bankActs, "The consent is suspended", askBankEN, "連携は一時的に止められています。" + askBankJA},
	"account_not_in_consent":      {404, customerActs, "The consent does not cover this account", "Read the list of accounts again; link again to add one.", "この口座は連携の対象ではありません。追加するには、" + linkAgainJA},

	// The partner, the user and the company.
	"partner_suspended":      {403, bankActs, "The bank has stopped this service", askBankEN, "このサービスとの連携は、金融機関が一時的に止めています。"},
	"contract_not_effective": {403, bankActs, "The contract with the bank is not in force", askBankEN, "このサービスと金融機関との契約が有効ではありません。"},
	"profile_sunset":         {403, partnerActs, "The client's security profile has ended", "Move to a client with a newer profile; ask the bank.", "このサービスの接続方式は提供を終了しました。サービスの提供元へお問い合わせください。"},
	"user_stopped":           {403, companyActs, "The user has been stopped at internet banking", "Ask the company's administrator to lift the stop.", "ご利用者のインターネットバンキングが停止中です。会社の管理者またはお取引店へお申し出ください。"},
	"service_contract_ended": {403, companyActs, "The company's contract has ended", "Stop fetching; ask the company.", "会社のご契約が終了しています。" + askBankJA},
	"permission_removed":     {403, companyActs, "The user may no longer inquire about this", "Ask the company's administrator for the permission.", "ご利用者に照会の権限がありません。会社の管理者へお申し出ください。"},
	"account_closed":         {410, companyActs, "The account has been closed", "Stop fetching this account.", "この口座は解約されています。"},

	// The inquiry PIN.
	"pin_not_registered": {403, customerActs, "The account's inquiry PIN is not registered", linkAgainEN, "この口座の照会用暗証番号が登録されていません。" + linkAgainJA},
	"pin_pending":        {403, nobodyActs, "The account's inquiry PIN is still being checked", "Try again later; the list of accounts says when it is active.", "この口座の照会用暗証番号を確認しています。しばらくしてからもう一度お試しください。"},
	"pin_rejected":       {403, customerActs, "The bank has refused the account's inquiry PIN", linkAgainEN + " The new PIN is asked for then.", "この口座の照会用暗証番号が、届け出の番号と一致しません。" + linkAgainJA},
	"pin_locked":         {403, customerActs, "Inquiries about the account are locked", "Ask the customer to go to the branch.", "この口座は照会が停止されています。" + askBankJA},

	// What was asked for.
	"period_out_of_range": {400, partnerActs, "The period is beyond what can be read", "Ask within oldestAvailableDate and newestAvailableDate.", "照会できる期間の外です。"},
	"cursor_expired":      {400, partnerActs, "The cursor is too old", "Begin again without cursor.", "もう一度お試しください。"},

	// Time and machinery.
	"out_of_service_hours": {503, nobodyActs, "The bank is out of service hours", "Try again after resumesAt.", "ただいまサービス時間外です。再開後にもう一度お試しください。"},
	"core_unavailable":     {503, nobodyActs, "The bank's core system does not answer", "Try again after Retry-After seconds.", "ただいま金融機関のシステムから応答がありません。しばらくしてからもう一度お試しください。"},
	"temporarily_busy":     {503, nobodyActs, "The call could not be taken just now", "Try again after Retry-After seconds.", "ただいま処理が混み合っています。しばらくしてからもう一度お試しください。"},
	"internal_error":       {500, bankActs, "Something failed at the bank", askBankEN, "金融機関の側で処理できませんでした。" + askBankJA},
}
