//go:build pkcs11

package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/app"
	"renkei.dev/internal/config"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/hsm/hsmtest"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/oauth"
)

func TestAnIssuerMovesItsKeyIntoAnHSMWhileItServes(t *testing.T) {
	token := hsmtest.New(t)
	b := newBank(t)
	b.write("hsm.pin", []byte(token.PIN.Reveal()))
	b.edit("admin:", "hsm: {module: "+token.Module+", token: renkei, pin_file: hsm.pin}\nadmin:")
	v := b.verifier("ume")
	stop := b.serve()
	settings, material, err := config.Read(filepath.Join(b.folder, "renkei.yaml"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	open, err := app.OpenHSM(material)
	if err != nil {
		t.Fatal(err)
	}
	private, err := open.Generate(jose.ES256)
	if err != nil {
		t.Fatal(err)
	}
	kid, err := jose.Thumbprint(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	d := b.desk("ume")
	now := time.Now()
	commit(t, d, oauth.KeyAdded{Issuer: oauth.FAPIIssuer, By: clerk, At: now, Key: oauth.SigningKey{
		InHSM: true, Key: jose.Key{KID: kid, Algorithm: jose.ES256, CreatedAt: now, ExpiresAt: now.Add(time.Hour), Public: private.Public()},
	}})
	activateKey(t, d, kid, true)
	got := ""
	for deadline := time.Now().Add(20 * time.Second); got != kid && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		v.expires = time.Time{} // this verifier fetches the keys each time
		if got, err = v.ask(); err != nil {
			t.Fatal(err)
		}
	}
	if got != kid {
		t.Errorf("%s signs, not the HSM's key", got)
	}
	if _, err := app.CheckKeys(t.Context(), settings, material, time.Now()); err != nil {
		t.Errorf("the check: %v", err)
	}
	if err := open.Close(); err != nil {
		t.Error(err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}

	for name, c := range map[string]struct {
		file, old, new string
		says           string
	}{
		"without the hsm":   {"renkei.yaml", "hsm: {module: " + token.Module + ", token: renkei, pin_file: hsm.pin}\n", "", "the configuration names no hsm"},
		"another token":     {"renkei.yaml", "token: renkei", "token: other", "open token other of the HSM"},
		"with a wrong PIN":  {"hsm.pin", token.PIN.Reveal(), "0000", "open token renkei of the HSM"},
		"without the token": {"renkei.yaml", "module: " + token.Module, "module: /none.so", "hsm.module cannot be read"},
	} {
		path := filepath.Join(b.folder, c.file)
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b.write(c.file, []byte(strings.Replace(string(before), c.old, c.new, 1)))
		server, err := b.open()
		if err == nil {
			server.Close()
		}
		if fault.Of(err) != fault.Unavailable && fault.Of(err) != fault.Invalid || err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("a start %s: %v", name, err)
		}
		b.write(c.file, before)
	}
}
