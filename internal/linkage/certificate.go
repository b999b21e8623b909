package linkage

import "renkei.dev/internal/corebank"

// Presented is a certificate as the certificate host judged it (rule 1).
type Presented struct {
	Verdict     CertificateVerdict
	Certificate corebank.Certificate // what was seen; zero with NonePresented
	Holder      string               // the subject's common name
}

// CertificateVerdict is what the certificate host found.
type CertificateVerdict string

// The verdicts.
const (
	Accepted       CertificateVerdict = "accepted"
	NonePresented  CertificateVerdict = "none"
	ExpiredCert    CertificateVerdict = "expired"
	NotYetValid    CertificateVerdict = "not_yet_valid"
	RevokedCert    CertificateVerdict = "revoked"
	ForeignCert    CertificateVerdict = "foreign"
	WrongUsage     CertificateVerdict = "wrong_usage"
	CannotBeJudged CertificateVerdict = "cannot_be_judged" // the list of revoked certificates is too old
)
