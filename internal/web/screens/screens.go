// Package screens is the pages of the manual: it reads a form, presses a button
// of package linkage, and shows the page where the journey stands.
//
// It decides nothing: which step is next, what is wrong and what a page says are
// linkage's, looks and layout are look's, words are i18n's. Each page is one
// struct and one template of the same name. Start with Handler in routes.go.
//
//	screen         address                        file               the manual
//	AL-100, AL-120 /link/{journey}/login          step1_login.go     手順1-1 ①, 手順1-2 ①
//	AL-111         /link/{journey}/certificate    step1_login.go     手順1-1 ②
//	AL-200         /link/{journey}/question       step2_question.go  手順2
//	AL-300         /link/{journey}/business       step3_business.go  手順3
//	AL-400         /link/{journey}/pin            step4_pin.go       手順4
//	AL-410         /link/{journey}/pin-result     step5_pinresult.go 手順5
//	AL-500         /link/{journey}/consent        step6_consent.go   手順6
//	AL-510         /link/{journey}/handover       handover.go        –
//	AL-9xx         /link/{journey}/ended          causes.go          –
//
// AL-110 is the browser's own window on a certificate host (certificate.go).
package screens

import (
	"crypto/x509"
	"embed"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/web/look"
)

//go:embed templates/*.html
var builtIn embed.FS

// Options are what the pages of one institution are made of. All fields are
// required.
type Options struct {
	Linkage *linkage.Service
	Look    *look.Look
	// Issuer is the origin of the pages, e.g. https://localhost:9440.
	Issuer string
	// CertificateHost returns the origin of the nth certificate host, from 1,
	// e.g. https://cert1.localhost:9443.
	CertificateHost func(n int) string
	// Judge says what a certificate host thinks of the certificates that a
	// browser presented, leaf first; see JudgeBy.
	Judge   func(presented []*x509.Certificate) linkage.Presented
	Address func(*http.Request) netip.Addr // the browser's network address
	Log     *slog.Logger
}

// Screens are the pages of one institution.
type Screens struct {
	Options
	pages *look.Set
}

// New returns the pages, all parsed. Errors: fault.Invalid for a template of the
// brand's that cannot be read.
func New(o Options) (*Screens, error) {
	templates, err := fs.Sub(builtIn, "templates")
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "open the pages", err)
	}
	pages, err := o.Look.Pages(templates)
	if err != nil {
		return nil, err
	}
	return &Screens{o, pages}, nil
}
