package pki

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"

	"golang.org/x/crypto/ocsp"

	"renkei.dev/internal/fault"
)

// The parts of RFC 6960's messages that x/crypto/ocsp does not read or write: the
// nonce, and which issuer an answer is about.

var nonceID = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}

type certID struct {
	Hash      pkix.AlgorithmIdentifier
	Name, Key []byte
	Serial    *big.Int
}

// ocspRequest writes a request about a certificate with a nonce of its own.
func ocspRequest(c, issuer *x509.Certificate) (request, nonce []byte, err error) {
	const doing = "write an OCSP request"
	plain, err := ocsp.CreateRequest(c, issuer, nil)
	if err != nil {
		return nil, nil, fault.Wrap(fault.Internal, doing, err)
	}
	nonce = make([]byte, nonceSize)
	rand.Read(nonce)
	value, err := asn1.Marshal(nonce)
	if err != nil {
		return nil, nil, fault.Wrap(fault.Internal, doing, err)
	}
	extensions, err := asn1.Marshal([]pkix.Extension{{Id: nonceID, Value: value}})
	if err != nil {
		return nil, nil, fault.Wrap(fault.Internal, doing, err)
	}
	var outer, tbs asn1.RawValue
	if _, err := asn1.Unmarshal(plain, &outer); err != nil {
		return nil, nil, fault.Wrap(fault.Internal, doing, err)
	}
	if _, err := asn1.Unmarshal(outer.Bytes, &tbs); err != nil {
		return nil, nil, fault.Wrap(fault.Internal, doing, err)
	}
	tagged, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2, IsCompound: true, Bytes: extensions})
	if err == nil {
		tbs.FullBytes, tbs.Bytes = nil, append(tbs.Bytes, tagged...)
		outer.FullBytes = nil
		if outer.Bytes, err = asn1.Marshal(tbs); err == nil {
			request, err = asn1.Marshal(outer)
		}
	}
	if err != nil {
		return nil, nil, fault.Wrap(fault.Internal, doing, err)
	}
	return request, nonce, nil
}

// isAbout tells whether an answer speaks of this issuer's certificate, which
// x/crypto/ocsp finds by its serial number alone, and repeats our nonce, if any.
func isAbout(said *ocsp.Response, nonce []byte, c, issuer *x509.Certificate) error {
	responses, extensions, err := parts(said.TBSResponseData)
	if err != nil {
		return err
	}
	var key struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(issuer.RawSubjectPublicKeyInfo, &key); err != nil {
		return err
	}
	var id certID
	for rest := responses; ; {
		var single asn1.RawValue
		if rest, err = asn1.Unmarshal(rest, &single); err != nil {
			return errors.New("the answer is about another certificate")
		}
		if _, err := asn1.Unmarshal(single.Bytes, &id); err != nil {
			return err
		}
		if id.Serial.Cmp(c.SerialNumber) == 0 {
			break // the one that x/crypto/ocsp took
		}
	}
	if !bytes.Equal(id.Name, hashOf(said.IssuerHash, issuer.RawSubject)) || !bytes.Equal(id.Key, hashOf(said.IssuerHash, key.Key.RightAlign())) {
		return errors.New("the answer is about another issuer's certificate")
	}
	for _, e := range extensions {
		if e.Id.Equal(nonceID) {
			var got []byte
			if rest, err := asn1.Unmarshal(e.Value, &got); err != nil || len(rest) > 0 || !bytes.Equal(got, nonce) {
				return errors.New("the answer is to another request")
			}
		} else if e.Critical {
			return errors.New("the answer has an extension that must be understood")
		}
	}
	return nil
}

// parts returns the single answers and the extensions of a ResponseData.
func parts(data []byte) (responses []byte, extensions []pkix.Extension, err error) {
	var outer asn1.RawValue
	if _, err := asn1.Unmarshal(data, &outer); err != nil {
		return nil, nil, err
	}
	for rest := outer.Bytes; len(rest) > 0; {
		var one asn1.RawValue
		if rest, err = asn1.Unmarshal(rest, &one); err != nil {
			return nil, nil, err
		}
		switch {
		case one.Class == asn1.ClassUniversal && one.Tag == asn1.TagSequence:
			responses = one.Bytes
		case responses != nil && one.Class == asn1.ClassContextSpecific && one.Tag == 1:
			if _, err := asn1.Unmarshal(one.Bytes, &extensions); err != nil {
				return nil, nil, err
			}
		}
	}
	return responses, extensions, nil
}
