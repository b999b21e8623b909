package demo

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"path/filepath"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/pki"
	"renkei.dev/internal/secret"
)

const (
	year            = 365 * 24 * time.Hour
	authorityFor    = 5 * year
	authorityAge    = 2 * year
	signingKeyFor   = year
	serverFor       = 90 * 24 * time.Hour // browsers dislike what lives long
	serverRenewedAt = 30 * 24 * time.Hour // before its end
)

// mark stands above every secret of a demo, so that a real server refuses it.
const mark = pki.DemoMark + "\n"

// randomKey keeps 32 random bytes.
func (f folder) randomKey(name string) ([]byte, error) {
	path := filepath.Join(keysFolder, name)
	data, err := f.kept(path, func() ([]byte, error) {
		key := make([]byte, secret.KeySize)
		rand.Read(key)
		return []byte(mark + base64.StdEncoding.EncodeToString(key) + "\n"), nil
	})
	if err != nil {
		return nil, err
	}
	text, _ := bytes.CutPrefix(data, []byte(mark))
	key, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil || len(key) != secret.KeySize {
		return nil, f.damaged(path)
	}
	return key, nil
}

// privateKey keeps a P-256 key.
func (f folder) privateKey(path string) (crypto.Signer, error) {
	data, err := f.kept(path, func() ([]byte, error) {
		key, err := newKey()
		if err != nil {
			return nil, err
		}
		text, err := pki.EncodeKey(key)
		return append([]byte(mark), text...), err
	})
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, f.damaged(path)
	}
	key, err := jose.ParsePrivate(block.Bytes)
	if err != nil {
		return nil, f.damaged(path)
	}
	return key, nil
}

func newKey() (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "make a key", err)
	}
	return key, nil
}

// signing is the issuer's one signing key. It is kept for good and stands for a
// year from every start, since a demo has nobody to rotate it.
func (f folder) signing(now time.Time) ([]jose.Key, error) {
	key, err := f.privateKey(filepath.Join(keysFolder, "signing.pem"))
	if err != nil {
		return nil, err
	}
	kid, err := jose.Thumbprint(key.Public())
	if err != nil {
		return nil, err
	}
	return []jose.Key{{
		KID: kid, Algorithm: jose.ES256, State: jose.Active, CreatedAt: now, ExpiresAt: now.Add(signingKeyFor), Private: key,
	}}, nil
}

// authorities are the demo's: one for servers, which browsers are asked to trust
// and which is good for this machine alone, one for the customers of the bank,
// one for partners, and one of another bank, whose customers are turned away.
type authorities struct{ server, customers, partners, foreign *pki.Authority }

func (f folder) authorities(now time.Time) (authorities, error) {
	var all authorities
	for _, a := range []struct {
		file, name string
		into       **pki.Authority
		make       func(string, crypto.Signer, time.Time, time.Duration) (*pki.Authority, error)
	}{
		{"server-authority.pem", "Renkei Demo Local CA", &all.server, pki.NewServerAuthority},
		{"customer-authority.pem", "れんけい信用組合 利用者認証局", &all.customers, pki.NewClientAuthority},
		{"partner-authority.pem", "Renkei Demo Partner CA", &all.partners, pki.NewClientAuthority},
		{"foreign-authority.pem", "よその見本銀行 利用者認証局", &all.foreign, pki.NewClientAuthority},
	} {
		path := filepath.Join(issuedFolder, a.file)
		data, err := f.kept(path, func() ([]byte, error) {
			key, err := newKey()
			if err != nil {
				return nil, err
			}
			// Older than the certificate that has expired already, or that would
			// be nobody's.
			made, err := a.make(a.name, key, now.Add(-authorityAge), authorityAge+authorityFor)
			if err != nil {
				return nil, err
			}
			text, err := made.Encode()
			return append([]byte(mark), text...), err
		})
		if err != nil {
			return authorities{}, err
		}
		if *a.into, err = pki.ParseAuthority(data); err != nil {
			return authorities{}, f.damaged(path)
		}
	}
	return all, f.write(caFile, pki.EncodeCertificates(all.server.Certificate))
}

// server keeps the certificate of all the demo's hosts, and issues it anew in time.
func (f folder) server(a *pki.Authority, now time.Time) (tls.Certificate, error) {
	keyPath, path := filepath.Join(issuedFolder, "server-key.pem"), filepath.Join(issuedFolder, "server.pem")
	key, err := f.privateKey(keyPath)
	if err != nil {
		return tls.Certificate{}, err
	}
	issue := func() ([]byte, error) {
		c, err := a.IssueServer(key.Public(), now.Add(-time.Hour), now.Add(serverFor))
		if err != nil {
			return nil, err
		}
		return pki.EncodeCertificates(c), nil
	}
	data, err := f.kept(path, issue)
	if err != nil {
		return tls.Certificate{}, err
	}
	all, err := pki.ParseCertificates(data)
	if err != nil || now.After(all[0].NotAfter.Add(-serverRenewedAt)) || all[0].CheckSignatureFrom(a.Certificate) != nil {
		if data, err = issue(); err != nil {
			return tls.Certificate{}, err
		}
		if err := f.write(path, data); err != nil {
			return tls.Certificate{}, err
		}
		if all, err = pki.ParseCertificates(data); err != nil {
			return tls.Certificate{}, err
		}
	}
	return tls.Certificate{Certificate: [][]byte{all[0].Raw}, PrivateKey: key, Leaf: all[0]}, nil
}

func (f folder) damaged(path string) error {
	return fault.New(fault.Invalid, "the data directory is damaged: %s cannot be read; remove that file, or start anew with --reset", f.path(path))
}
