package demo

import (
	"crypto"
	"crypto/tls"
	"encoding/json"
	"os"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/pki"
)

// AsPartner is what a demo's partner proves itself with and asks for, for tools
// that stand in its place.
type AsPartner struct {
	Issuer      string
	CAFile      string
	ClientID    string
	RedirectURI string
	Scope       string
	SigningKey  crypto.Signer // nil: it proves itself by its certificate
	SigningKID  string
	ProofKey    crypto.Signer // nil: its tokens are bound to its certificate
	Certificate *tls.Certificate
}

// PartnerOf reads what a demo's partner has, by its id; empty: the first. Errors:
// fault.NotFound for an unknown partner or a directory without a demo.
func PartnerOf(dataFolder, id string) (AsPartner, error) {
	f := folder(dataFolder)
	known, err := f.note()
	if err != nil {
		return AsPartner{}, err
	}
	places := places{host: "127.0.0.1", port: known.Port}
	for _, s := range suppliers {
		if id != "" && id != s.id {
			continue
		}
		return f.asPartner(s, places)
	}
	names := ""
	for _, s := range suppliers {
		names += " " + s.id
	}
	return AsPartner{}, fault.New(fault.NotFound, "the demo has no partner %q; it has%s", id, names)
}

func (f folder) asPartner(s supplier, p places) (AsPartner, error) {
	a := AsPartner{Issuer: p.origin("localhost", loginAt), CAFile: f.path(caFile), ClientID: s.clientID(), Scope: "openid"}
	for _, function := range s.functions {
		a.Scope += " account." + function
	}
	data, err := os.ReadFile(f.path(s.file(".json")))
	if err != nil {
		return a, fault.New(fault.NotFound, "the demo in %s has not registered its partners yet: start it first", f)
	}
	var registered struct {
		Client struct {
			RedirectURIs []string        `json:"redirect_uris"`
			JWKS         json.RawMessage `json:"jwks"`
			DPoP         bool            `json:"dpop_bound_access_tokens"`
		} `json:"client"`
	}
	if err := json.Unmarshal(data, &registered); err != nil || len(registered.Client.RedirectURIs) == 0 {
		return a, f.damaged(s.file(".json"))
	}
	a.RedirectURI = registered.Client.RedirectURIs[0]
	if registered.Client.JWKS != nil {
		if a.SigningKey, err = f.privateKey(s.file("-signing.pem")); err != nil {
			return a, err
		}
		if a.SigningKID, err = jose.Thumbprint(a.SigningKey.Public()); err != nil {
			return a, err
		}
	}
	if registered.Client.DPoP {
		a.ProofKey, err = f.privateKey(s.file("-proof.pem"))
		return a, err
	}
	key, err := f.privateKey(s.file("-tls.pem"))
	if err != nil {
		return a, err
	}
	chain, err := pki.LoadCertificates(f.path(s.file("-tls-certificate.pem")))
	if err != nil {
		return a, err
	}
	a.Certificate = &tls.Certificate{Certificate: [][]byte{chain[0].Raw}, PrivateKey: key, Leaf: chain[0]}
	return a, nil
}
