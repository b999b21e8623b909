package screens

import (
	"crypto/x509"
	"net/http"
	"net/url"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/pki"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/web"
)

// onceParameter carries the one-time secret from a certificate host back to the
// journey's own: request logs have no queries, and the page answers without it.
const onceParameter = "once"

// hopParameter carries Journey.Hop to a certificate host.
const hopParameter = "from"

// certificateAddress is where 電子証明書ログイン leads. Browsers remember the
// choice of a certificate by host name, so each try has a name of its own.
func (s *Screens) certificateAddress(host int, j linkage.Journey) string {
	return s.CertificateHost(host) + base + j.ID.String() + "?" + url.Values{hopParameter: {j.Hop}}.Encode()
}

// CertificateHandler serves a certificate host. Its listener asks for
// certificates of the institution's authority (tls.RequestClientCert), verifies
// none, has no session tickets and takes one request a connection
// (web.Listener.OneRequest). It shows nothing and keeps nothing: it judges what
// the browser presented and sends it back to the journey's own host.
func (s *Screens) CertificateHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /link/{journey}", s.presentCertificate)
	return mux
}

func (s *Screens) presentCertificate(w http.ResponseWriter, r *http.Request) {
	id, err := linkage.ParseJourneyID(r.PathValue("journey"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	var presented []*x509.Certificate
	if r.TLS != nil {
		presented = r.TLS.PeerCertificates
	}
	once, err := s.Linkage.PresentCertificate(r.Context(), id, r.URL.Query().Get(hopParameter), s.Judge(presented))
	if err != nil {
		s.Log.ErrorContext(r.Context(), "a certificate could not be passed on", "journey", id.String(), "error", err)
		web.SeeOther(w, s.Issuer+address(id, "trouble"))
		return
	}
	query := url.Values{onceParameter: {once.Reveal()}}
	web.SeeOther(w, s.Issuer+address(id, string(linkage.CertificateStep))+"?"+query.Encode())
}

// takeCertificate takes what the certificate host judged into the journey, and
// leads to an address without it: the one-time secret stays in no address bar,
// history or picture of a screen.
func (s *Screens) takeCertificate(w http.ResponseWriter, r *http.Request, v linkage.Visit, once secret.Value) {
	result, err := s.Linkage.TakeCertificate(r.Context(), v, once)
	if _, halted := asHalted(err); halted {
		web.SeeOther(w, address(v.Journey, string(linkage.CertificateStep))) // which says why
		return
	}
	if err != nil {
		s.halted(w, r, err)
		return
	}
	s.keep(w, v.Journey, result)
	web.SeeOther(w, address(v.Journey, string(result.Journey.Step)))
}

// JudgeBy returns what certificate hosts think of a certificate, by whom it is
// believed from.
func JudgeBy(trust func() pki.Trust, now func() time.Time) func([]*x509.Certificate) linkage.Presented {
	return func(presented []*x509.Certificate) linkage.Presented {
		v := pki.Judge(presented, trust(), x509.ExtKeyUsageClientAuth, now())
		p := linkage.Presented{Verdict: verdictOf(v.Reason)}
		if c := v.Certificate; c != nil {
			p.Holder = c.Subject.CommonName
			p.Certificate = corebank.Certificate{
				Subject: pki.Subject(c), Issuer: pki.Issuer(c), Serial: c.SerialNumber.String(), Names: pki.Names(c),
				NotBefore: c.NotBefore, NotAfter: c.NotAfter,
			}
		}
		return p
	}
}

func verdictOf(r pki.Reason) linkage.CertificateVerdict {
	switch r {
	case pki.Good:
		return linkage.Accepted
	case pki.Missing:
		return linkage.NonePresented
	case pki.Foreign:
		return linkage.ForeignCert
	case pki.NotYetValid:
		return linkage.NotYetValid
	case pki.Expired:
		return linkage.ExpiredCert
	case pki.WrongUsage:
		return linkage.WrongUsage
	case pki.Revoked:
		return linkage.RevokedCert
	}
	return linkage.CannotBeJudged
}
