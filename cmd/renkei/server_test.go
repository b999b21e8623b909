package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// server FOLDER PORT NAME…: writes the configuration of a server for these
// institutions with all that it names, but no database: renkei.yaml with signing
// keys in files, and keyless.yaml without.
func server(ts *testscript.TestScript, _ bool, args []string) {
	folder, port, names := ts.MkAbs(args[0]), 0, args[2:]
	_, err := fmt.Sscan(args[1], &port)
	ts.Check(err)
	ts.Check(os.MkdirAll(filepath.Join(folder, "brand"), 0o700))
	put := func(name string, text []byte) {
		ts.Check(os.WriteFile(filepath.Join(folder, name), text, 0o600))
	}
	random := func(name string) {
		key := make([]byte, 32)
		rand.Read(key)
		put(name, []byte(base64.StdEncoding.EncodeToString(key)))
	}
	brand, err := os.ReadFile("../../internal/web/look/plain/brand.json")
	ts.Check(err)
	put("brand/brand.json", brand)
	random("sealing.key")

	caKey, ca := certified(ts, put, "ca", &x509.Certificate{IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, SubjectKeyId: []byte{1}})
	list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour),
	}, ca, caKey)
	ts.Check(err)
	put("ca.crl", pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: list}))

	yaml := fmt.Sprintf("database: {url: \"sqlite:%s\"}\nsealing_keys: [{number: 1, file: sealing.key}]\nadmin: \"127.0.0.1:%d\"\ninstitutions:\n",
		filepath.Join(folder, "deep", "renkei.db"), port+4)
	keyless := yaml
	for _, name := range names {
		var hosts []string
		for _, host := range []string{"link", "cert1", "mtls", "api"} {
			hosts = append(hosts, host+"."+name+".example")
		}
		certified(ts, put, name, &x509.Certificate{DNSNames: hosts})
		random(name + "-identifiers.key")
		one := fmt.Sprintf(institutionYAML, name, port, port+1, port+2, port+3)
		keyless += one
		yaml += one + fmt.Sprintf("    signing_keys: [{file: %s.key, until: 2099-12-31}]\n", name)
	}
	put("renkei.yaml", []byte(yaml))
	put("keyless.yaml", []byte(keyless))
}

const institutionYAML = `  - name: %[1]s
    brand: brand
    login: {origin: "https://link.%[1]s.example", listen: "127.0.0.1:%[2]d"}
    certificate: {origins: ["https://cert1.%[1]s.example"], listen: "127.0.0.1:%[3]d"}
    mutual_tls: {origin: "https://mtls.%[1]s.example", listen: "127.0.0.1:%[4]d"}
    api: {origin: "https://api.%[1]s.example", listen: "127.0.0.1:%[5]d"}
    tls: [{certificate: %[1]s.crt, key: %[1]s.key}]
    identifier_key: %[1]s-identifiers.key
    customer_ca: {certificates: ca.crt, revoked: ca.crl}
    connector: {kind: sandbox, file: %[1]s-sandbox.db}
`

// certified writes a key and a certificate that it signed itself.
func certified(ts *testscript.TestScript, put func(string, []byte), name string, template *x509.Certificate) (*ecdsa.PrivateKey, *x509.Certificate) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template.SerialNumber, template.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: strings.ToUpper(name)}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	template.BasicConstraintsValid = true
	template.KeyUsage |= x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ts.Check(err)
	c, err := x509.ParseCertificate(der)
	ts.Check(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	put(name+".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	put(name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	return key, c
}
