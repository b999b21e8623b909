package sandbox

import (
	"fmt"
	"time"

	"renkei.dev/internal/corebank"
)

var branches = map[string]string{"001": "本店営業部", "002": "みなと支店", "003": "やまて支店"}

// account returns an account of the demo bank; its number says which company's
// it is and its PIN is plainly made up.
func account(branch string, t corebank.AccountType, number int, memo, pin string, opening corebank.Yen, seed Seed) Account {
	n := fmt.Sprintf("%07d", number)
	return Account{
		Account: corebank.Account{
			ID:         corebank.AccountID(branch + "-" + string(t) + "-" + n),
			BranchCode: branch,
			BranchName: branches[branch],
			Type:       t,
			Number:     n,
			Memo:       memo,
		},
		PIN: pin, Opening: opening, Seed: seed,
	}
}

// threeQuestions are registered questions, the same set for everyone who has any,
// with one answer to all of them: whoever tries the demo does not know which is
// asked.
func threeQuestions() []QuestionAnswer {
	return []QuestionAnswer{
		{corebank.Question{ID: "q1", Text: "好きな食べ物は？"}, "しらたま"},
		{corebank.Question{ID: "q2", Text: "はじめて飼った生き物は？"}, "しらたま"},
		{corebank.Question{ID: "q3", Text: "子どものころのあだ名は？"}, "しらたま"},
	}
}

type person struct {
	login    string
	name     string
	role     corebank.Role
	password string
	cert     CertificateCase
	ja, en   string
}

// member makes a user out of a person: in good standing, permitted to link,
// with questions; what is special about one is set afterwards.
func member(p person) Member {
	m := Member{
		User: corebank.User{
			ID: corebank.UserID("usr_" + p.login), LoginID: corebank.LoginID(p.login), Name: p.name, Role: p.role,
			Method: corebank.PasswordLogin, Standing: corebank.InGoodStanding, MayLink: true,
		},
		Password: p.password, Questions: threeQuestions(), Certificate: p.cert, Case: p.ja, CaseEN: p.en,
	}
	if p.cert != NoCertificate {
		m.Method = corebank.CertificateLogin
	}
	return m
}

// company puts accounts and members under one company.
func company(id, name, kana, nameEN string, accounts []Account, members ...Member) Company {
	c := Company{Company: corebank.Company{ID: corebank.CompanyID("cmp_" + id), Name: name}, NameEN: nameEN, Accounts: accounts, Members: members}
	for i := range c.Accounts {
		c.Accounts[i].Holder, c.Accounts[i].HolderKana, c.Accounts[i].Primary = name, kana, i == 0
	}
	for i := range c.Members {
		c.Members[i].Company = c.Company
	}
	return c
}

func with(c Company, h Habit) Company { c.Habit = h; return c }

func change(m Member, how func(*Member)) Member { how(&m); return m }

func companiesThatLink() []Company {
	return []Company{
		company("mihon", "株式会社見本商店", "ｶ)ﾐﾎﾝｼﾖｳﾃﾝ", "Mihon Shoten Co., Ltd.", []Account{
			account("001", corebank.Ordinary, 1000101, "本店の売上", "1101", 4_200_000, SeedRegistered),
			account("002", corebank.Current, 1000102, "仕入れの支払い", "1102", 2_800_000, SeedRegistered),
		}, member(person{"ok.pw", "見本 花子", corebank.MasterUser, "demo-ok-pw-2468", NoCertificate,
			"ID・パスワード方式。全口座の照会用暗証番号が登録済みなので、手順4・5は出ません。",
			"ID and password. Every account has its inquiry PIN, so steps 4 and 5 do not appear."})),
		company("denshi", "電子見本株式会社", "ﾃﾞﾝｼﾐﾎﾝ(ｶ", "Denshi Mihon Inc.", []Account{
			account("001", corebank.Ordinary, 1000201, "本社", "1201", 9_500_000, SeedNone),
			account("003", corebank.Savings, 1000202, "積立", "1202", 6_000_000, SeedRegistered),
		}, member(person{"ok.cert", "電子 太郎", corebank.MasterUser, "demo-ok-cert-2468", ValidCertificate,
			"電子証明書方式。未登録の口座が1つあるので、手順4・5も出ます。",
			"Client certificate. One account lacks its PIN, so steps 4 and 5 appear."}),
			member(person{"cert.expiring", "電子 更", corebank.AdminUser, "demo-cert-expiring-2468", ExpiringCertificate,
				"電子証明書の有効期限まで30日を切っています。ログインの画面に更新の案内が出ます。",
				"The certificate expires within thirty days; the login page says how to renew it."})),
		company("every", "全手順サンプル株式会社", "ｾﾞﾝﾃｼﾞﾕﾝｻﾝﾌﾟﾙ(ｶ", "Zentejun Sample Inc.", []Account{
			account("001", corebank.Ordinary, 1001401, "本社", "2401", 7_300_000, SeedNone),
			account("002", corebank.Ordinary, 1001402, "工場", "2402", 2_600_000, SeedNone),
		}, change(member(person{"all.steps", "全手 順", corebank.MasterUser, "demo-all-steps-2468", NoCertificate,
			"ID・パスワード方式で、追加認証も暗証番号の登録も、すべての手順を通ります。",
			"ID and password, through every step: the question and the PINs as well."}), func(m *Member) { m.Flagged = true }),
			change(member(person{"all.steps.cert", "全手 証", corebank.AdminUser, "demo-all-steps-cert-2468", ValidCertificate,
				"電子証明書方式で、追加認証も暗証番号の登録も、すべての手順を通ります。",
				"Client certificate, through every step: the question and the PINs as well."}), func(m *Member) { m.Flagged = true })),
		company("risk", "見本警備有限会社", "ﾐﾎﾝｹｲﾋﾞ(ﾕ", "Mihon Keibi Ltd.", []Account{
			account("001", corebank.Ordinary, 1000301, "", "1301", 1_500_000, SeedRegistered),
		}, change(member(person{"risk.question", "用心 守", corebank.MasterUser, "demo-risk-2468", NoCertificate,
			"いつもリスクが高いと判定され、追加認証の質問が出ます。",
			"The risk is always high: the secret question is asked."}), func(m *Member) { m.Flagged = true }),
			change(member(person{"risk.cert", "用心 護", corebank.AdminUser, "demo-risk-cert-2468", ValidCertificate,
				"電子証明書方式で、追加認証の質問も出ます。",
				"Client certificate, and the secret question as well."}), func(m *Member) { m.Flagged = true })),
		company("mixed", "混合サンプル株式会社", "ｺﾝｺﾞｳｻﾝﾌﾟﾙ(ｶ", "Kongo Sample Inc.", []Account{
			account("001", corebank.Ordinary, 1000401, "売上", "1401", 3_100_000, SeedNone),
			account("002", corebank.Ordinary, 1000402, "", "1402", 800_000, SeedRegistered),
			account("002", corebank.Current, 1000403, "手形用", "1403", 1_900_000, SeedPending),
			account("003", corebank.Savings, 1000404, "納税準備", "1404", 2_400_000, SeedRejected),
		}, member(person{"pin.mixed", "混合 恵", corebank.MasterUser, "demo-pin-mixed-2468", NoCertificate,
			"未登録・登録済み・申請中・要再登録の口座が1つずつあります。",
			"One account each: not registered, registered, being checked, to be registered again."})),
		company("none", "未登録サンプル合同会社", "ﾐﾄｳﾛｸｻﾝﾌﾟﾙ(ﾄﾞ", "Mitoroku Sample LLC", []Account{
			account("001", corebank.Ordinary, 1000501, "ひとつめ", "1501", 1_200_000, SeedNone),
			account("001", corebank.Ordinary, 1000502, "ふたつめ", "1501", 700_000, SeedNone),
			account("002", corebank.Current, 1000503, "みっつめ", "1503", 500_000, SeedNone),
		}, member(person{"pin.none", "白紙 一", corebank.MasterUser, "demo-pin-none-2468", NoCertificate,
			"どの口座も未登録です。はじめの2口座は同じ番号です。",
			"No account is registered; the first two have the same PIN."})),
		company("team", "株式会社チーム見本", "ｶ)ﾁｰﾑﾐﾎﾝ", "Team Mihon Co., Ltd.", []Account{
			account("001", corebank.Ordinary, 1000601, "共用", "1601", 5_600_000, SeedNone),
			account("003", corebank.Ordinary, 1000602, "給与", "1602", 4_400_000, SeedRegistered),
		}, member(person{"team.master", "組田 主", corebank.MasterUser, "demo-team-master-2468", NoCertificate,
			"マスターユーザ。同僚が登録した番号も使われます。", "Master user; PINs that a colleague registered serve here too."}),
			member(person{"team.admin", "組田 管", corebank.AdminUser, "demo-team-admin-2468", NoCertificate,
				"管理者ユーザ。", "Administrator."}),
			change(member(person{"team.general", "組田 般", corebank.GeneralUser, "demo-team-general-2468", NoCertificate,
				"一般ユーザ。残高照会だけの権限があり、連携は許されています。", "General user: may inquire balances only, and may link."}),
				func(m *Member) {
					m.Rights = []corebank.Right{
						{Function: corebank.BalanceInquiry, Permitted: true},
						{Function: corebank.TransactionInquiry},
						{Function: corebank.DepositInquiry, Subscription: corebank.Applied},
					}
				})),
		company("closing", "店じまい見本株式会社", "ﾐｾｼﾞﾏｲﾐﾎﾝ(ｶ", "Misejimai Mihon Inc.", []Account{
			account("001", corebank.Ordinary, 1000701, "", "1701", 900_000, SeedRegistered),
			changeAccount(account("002", corebank.Ordinary, 1000702, "解約した口座", "1702", 100_000, SeedRegistered), func(a *Account) { a.Closed = true }),
		}, member(person{"closing.account", "仕舞 終", corebank.MasterUser, "demo-closing-2468", NoCertificate,
			"口座の1つが解約されています。", "One of the accounts has been closed."})),
		company("shimai", "まもなく閉店見本有限会社", "ﾏﾓﾅｸﾍｲﾃﾝﾐﾎﾝ(ﾕ", "Mamonaku Heiten Mihon Ltd.", []Account{
			account("001", corebank.Ordinary, 1001501, "残る口座", "2501", 1_100_000, SeedRegistered),
			changeAccount(account("002", corebank.Ordinary, 1001502, "まもなく解約", "2502", 300_000, SeedRegistered), func(a *Account) { a.ClosesAfter = 2 }),
		}, member(person{"closing.soon", "仕舞 近", corebank.MasterUser, "demo-closing-soon-2468", NoCertificate,
			"口座の1つは、残高を2回照会すると解約されます。", "One of the accounts is closed after two balance inquiries."})),
		company("strict", "厳格見本印刷株式会社", "ｹﾞﾝｶｸﾐﾎﾝｲﾝｻﾂ(ｶ", "Genkaku Mihon Printing Inc.", []Account{
			account("001", corebank.Ordinary, 1001601, "日常経費", "2601", 1_700_000, SeedRegistered),
			changeAccount(account("002", corebank.Ordinary, 1001602, "2回で停止", "2602", 400_000, SeedNone), func(a *Account) { a.Tries = 2 }),
			changeAccount(account("003", corebank.Ordinary, 1001603, "照会停止中", "2603", 200_000, SeedNone), func(a *Account) { a.Locked = true }),
		}, member(person{"pin.locked", "厳格 静", corebank.MasterUser, "demo-pin-locked-2468", NoCertificate,
			"暗証番号を2回誤ると止まる口座と、すでに照会が止まっている口座があります。",
			"One account locks after two wrong PINs, another is locked already."})),
	}
}

func changeAccount(a Account, how func(*Account)) Account { how(&a); return a }

func companiesThatMeetWeather() []Company {
	return []Company{
		with(company("pending", "夜間見本運輸株式会社", "ﾔｶﾝﾐﾎﾝｳﾝﾕ(ｶ", "Yakan Mihon Transport Inc.", []Account{
			account("001", corebank.Ordinary, 1000801, "", "1801", 2_000_000, SeedNone),
		}, member(person{"pin.pending", "夜野 待", corebank.MasterUser, "demo-pin-pending-2468", NoCertificate,
			"暗証番号の確認が夜間で止まっているため、登録は「申請中」になります。",
			"PINs cannot be checked at night: a registration stays 'being checked'."})), Habit{PINsClose: true}),
		with(company("slow", "のんびり見本株式会社", "ﾉﾝﾋﾞﾘﾐﾎﾝ(ｶ", "Nonbiri Mihon Inc.", []Account{
			account("001", corebank.Ordinary, 1000901, "", "1901", 600_000, SeedNone),
		}, member(person{"core.slow", "野比 遅", corebank.MasterUser, "demo-core-slow-2468", NoCertificate,
			"勘定系の応答に毎回3秒かかります。", "The core takes three seconds for each answer."})), Habit{Delay: 3 * time.Second}),
		with(company("closed", "時間外見本株式会社", "ｼﾞｶﾝｶﾞｲﾐﾎﾝ(ｶ", "Jikangai Mihon Inc.", []Account{
			account("001", corebank.Ordinary, 1001001, "", "2001", 600_000, SeedNone),
		}, member(person{"core.closed", "時野 外", corebank.MasterUser, "demo-core-closed-2468", NoCertificate,
			"いつもサービス時間外です（AL-920）。", "Always out of hours (AL-920)."})), Habit{Closed: true}),
		with(company("down", "停電見本株式会社", "ﾃｲﾃﾞﾝﾐﾎﾝ(ｶ", "Teiden Mihon Inc.", []Account{
			account("001", corebank.Ordinary, 1001101, "", "2101", 600_000, SeedNone),
		}, member(person{"core.down", "停田 電", corebank.MasterUser, "demo-core-down-2468", NoCertificate,
			"ログインのあと、勘定系が応答しません（AL-950）。", "After the login the core does not answer (AL-950)."})), Habit{Down: true}),
		with(company("alldown", "全停止見本株式会社", "ｾﾞﾝﾃｲｼﾐﾎﾝ(ｶ", "Zenteishi Mihon Inc.", []Account{
			account("001", corebank.Ordinary, 1001701, "", "2701", 600_000, SeedNone),
		}, member(person{"bank.down", "停田 全", corebank.MasterUser, "demo-bank-down-2468", NoCertificate,
			"インターネットバンキングが応答せず、ログインを確かめられません（AL-950）。",
			"Internet banking does not answer, so the login cannot be checked (AL-950)."})), Habit{AllDown: true}),
	}
}

func companiesThatAreRefused() []Company {
	certificates := []Member{
		member(person{"ng.expired", "期限 切男", corebank.AdminUser, "demo-ng-expired-2468", ExpiredCertificate,
			"電子証明書の有効期限が切れています（AL-902）。", "The certificate has expired (AL-902)."}),
		member(person{"ng.early", "期限 前子", corebank.AdminUser, "demo-ng-early-2468", EarlyCertificate,
			"電子証明書がまだ有効期間前です（AL-902）。", "The certificate is not valid yet (AL-902)."}),
		member(person{"ng.revoked", "失効 済", corebank.AdminUser, "demo-ng-revoked-2468", RevokedCertificate,
			"電子証明書が失効しています（AL-903）。", "The certificate has been revoked (AL-903)."}),
		member(person{"ng.foreign", "他所 紙", corebank.AdminUser, "demo-ng-foreign-2468", ForeignCertificate,
			"別の機関が発行した電子証明書です（AL-904）。", "The certificate is another institution's (AL-904)."}),
		member(person{"ng.usage", "用途 違", corebank.AdminUser, "demo-ng-usage-2468", ServerCertificate,
			"ログイン用ではない電子証明書です（AL-905）。", "The certificate is not for logging in (AL-905)."}),
		change(member(person{"ng.unbound", "結び 無", corebank.AdminUser, "demo-ng-unbound-2468", ValidCertificate,
			"どの利用者にも結び付かない電子証明書です（AL-905）。", "The certificate belongs to no user (AL-905)."}), func(m *Member) { m.Unbound = true }),
		change(member(person{"ng.locked.cert", "停止 証", corebank.AdminUser, "demo-ng-locked-cert-2468", ValidCertificate,
			"電子証明書方式で、利用が停止されています（AL-910）。", "Client certificate; the user has been stopped (AL-910)."}),
			func(m *Member) { m.Standing = corebank.Stopped }),
	}
	people := []Member{
		change(member(person{"ng.locked", "停止 中", corebank.AdminUser, "demo-ng-locked-2468", NoCertificate,
			"利用が停止されています（AL-910）。", "The user has been stopped (AL-910)."}), func(m *Member) { m.Standing = corebank.Stopped }),
		change(member(person{"ng.setup", "初期 未", corebank.AdminUser, "demo-ng-setup-2468", NoCertificate,
			"初期設定が済んでいません（AL-911）。", "The first set-up is still to be done (AL-911)."}), func(m *Member) { m.Standing = corebank.NotSetUp }),
		change(member(person{"ng.mustchange", "更新 要", corebank.AdminUser, "demo-ng-mustchange-2468", NoCertificate,
			"先にパスワードの変更が必要です（AL-911）。", "The password must be changed first (AL-911)."}), func(m *Member) { m.Standing = corebank.MustChange }),
		change(member(person{"ng.noanswers", "合言葉 無", corebank.AdminUser, "demo-ng-noanswers-2468", NoCertificate,
			"追加認証が要るのに、質問と回答が未登録です（AL-911）。", "The question is needed but none is registered (AL-911)."}),
			func(m *Member) { m.Flagged, m.Questions = true, nil }),
		change(member(person{"ng.general", "権限 無", corebank.GeneralUser, "demo-ng-general-2468", NoCertificate,
			"API連携の権限がない一般ユーザです（AL-912）。", "A general user who may not link (AL-912)."}), func(m *Member) { m.MayLink = false }),
	}
	ended := change(member(person{"ng.ended", "契約 終", corebank.MasterUser, "demo-ng-ended-2468", NoCertificate,
		"会社のご契約が終了しています（AL-914）。", "The company's contract has ended (AL-914)."}), func(m *Member) { m.Standing = corebank.ContractEnded })
	return []Company{
		company("refused", "お断り見本株式会社", "ｵｺﾄﾜﾘﾐﾎﾝ(ｶ", "Okotowari Mihon Inc.", []Account{
			account("001", corebank.Ordinary, 1001201, "", "2201", 1_000_000, SeedNone),
		}, append(certificates, people...)...),
		company("noaccount", "口座なし見本株式会社", "ｺｳｻﾞﾅｼﾐﾎﾝ(ｶ", "Kozanashi Mihon Inc.", nil,
			member(person{"ng.noaccount", "口座 無", corebank.MasterUser, "demo-ng-noaccount-2468", NoCertificate,
				"連携できる口座がありません（AL-913）。", "There is no account to link (AL-913)."})),
		company("ended", "契約終了見本株式会社", "ｹｲﾔｸｼﾕｳﾘﾖｳﾐﾎﾝ(ｶ", "Keiyaku Shuryo Mihon Inc.", []Account{
			account("001", corebank.Ordinary, 1001301, "", "2301", 1_000_000, SeedNone),
		}, ended),
	}
}
