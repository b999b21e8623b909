package linkage

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
	Leave            Button = "leave"              // 中止して連携先へ戻る
	LeaveLate        Button = "leave_late"         // 連携先へ戻る, of AL-930
	Extend           Button = "extend"             // 時間を延長する
)
