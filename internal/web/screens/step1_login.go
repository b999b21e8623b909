package screens

import (
	"context"
	"net/http"

	"renkei.dev/internal/linkage"
	"renkei.dev/internal/web/look"
)

// loginPage is AL-100 with AL-120: both login methods on one page.
type loginPage struct {
	look.Page
	Press           string
	Action          string
	CertificateHost string // where 電子証明書ログイン leads: a link, since a form may not lead to another host
	LoginID         look.Field
	Password        look.Field
}

func (s *Screens) loginPage(r *http.Request, j linkage.Journey) *loginPage {
	p := &loginPage{
		Page: s.page(r, j, "AL-100", "login.heading"), Press: j.Press, Action: address(j.ID, actionOf(linkage.LogIn)),
		CertificateHost: s.certificateAddress(j.Login.CertificateHost, j),
	}
	p.Wide = true
	p.LoginID = look.Field{
		ID: string(linkage.LoginIDField), Label: p.T("login.id"), Support: []string{p.T("login.id_support")},
		Error: p.ProblemAt(string(linkage.LoginIDField)), Value: j.Login.LoginID,
		Autocomplete: "username", InputMode: "email", Required: true, Words: p.Words,
	}
	p.Password = passwordField(p.Page)
	return p
}

func passwordField(p look.Page) look.Field {
	return look.Field{
		ID: string(linkage.PasswordField), Label: p.T("login.password"), Support: []string{p.T("login.password_support")},
		Error: p.ProblemAt(string(linkage.PasswordField)), Secret: true, Autocomplete: "current-password", Required: true, Words: p.Words,
	}
}

func (s *Screens) logIn(ctx context.Context, v linkage.Visit, f form) (linkage.Result, error) {
	return s.Linkage.LogIn(ctx, v, linkage.LoginPress{
		LoginID: f.one(string(linkage.LoginIDField)), Password: f.secret(string(linkage.PasswordField)),
	})
}

// certificatePage is AL-111.
type certificatePage struct {
	look.Page
	Press       string
	Action      string
	Certificate []look.Fact
	RenewSoon   string // how to renew a certificate that soon expires; empty: it does not
	Retry       string // 別の証明書でやり直す
	Password    look.Field
}

func (s *Screens) certificatePage(r *http.Request, j linkage.Journey) *certificatePage {
	p := &certificatePage{
		Page: s.page(r, j, "AL-111", "login.heading"), Press: j.Press, Action: address(j.ID, actionOf(linkage.LogInCertificate)),
		Retry: s.certificateAddress(j.Certificate.NextHost, j),
	}
	p.Certificate = certificateFacts(p.Page, j.Certificate.Certificate)
	if j.Certificate.Certificate.RenewSoon {
		p.RenewSoon = p.Own(p.Look.Brand.Renewal)
	}
	p.Password = passwordField(p.Page)
	return p
}

// certificateFacts says which certificate was seen.
func certificateFacts(p look.Page, c linkage.CertificateFacts) []look.Fact {
	facts := []look.Fact{
		{Name: p.T("certificate.holder"), Value: c.Holder},
		{Name: p.T("certificate.issuer"), Value: c.Issuer},
		{Name: p.T("certificate.serial"), Value: c.SerialEnd},
	}
	return append(facts, look.Fact{Name: p.T("certificate.valid_until"), Value: p.Date(c.NotAfter)})
}

func (s *Screens) logInWithCertificate(ctx context.Context, v linkage.Visit, f form) (linkage.Result, error) {
	return s.Linkage.LogInWithCertificate(ctx, v, linkage.CertificatePress{Password: f.secret(string(linkage.PasswordField))})
}
