package pki_test

import (
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"renkei.dev/internal/pki"
)

// The two programs stand for the two families of readers: OpenSSL, and NSS which
// Firefox and Chromium on Linux use.
func TestAP12FileIsReadByOthers(t *testing.T) {
	a := clientAuthority(t, "見本認証局")
	key := newKey(t)
	c := client(t, a, key, x509.ExtKeyUsageClientAuth, now, now.Add(year))
	raw, err := pki.PKCS12(key, c, []*x509.Certificate{a.Certificate}, "demo-pass")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "user.p12")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	tool := func(name string) {
		t.Helper()
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is not here, and CI has to have it", name)
			}
			t.Skipf("%s is not here", name)
		}
	}
	t.Run("openssl", func(t *testing.T) {
		tool("openssl")
		out, err := exec.Command("openssl", "pkcs12", "-in", file, "-passin", "pass:demo-pass", "-nodes").CombinedOutput()
		if err != nil || strings.Count(string(out), "BEGIN CERTIFICATE") != 2 || !strings.Contains(string(out), "PRIVATE KEY") {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("NSS", func(t *testing.T) {
		tool("certutil")
		tool("pk12util")
		db := "sql:" + dir
		for _, command := range [][]string{
			{"certutil", "-N", "-d", db, "--empty-password"},
			{"pk12util", "-i", file, "-d", db, "-W", "demo-pass"},
		} {
			if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %v\n%s", command, err, out)
			}
		}
		out, err := exec.Command("certutil", "-K", "-d", db).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "ec ") {
			t.Errorf("no key was imported: %v\n%s", err, out)
		}
	})
}
