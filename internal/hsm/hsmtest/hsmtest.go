// Package hsmtest gives tests a SoftHSM2 token of their own. It knows nothing of
// what is signed.
package hsmtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"renkei.dev/internal/hsm"
	"renkei.dev/internal/secret"
)

// Module is where Debian's softhsm2 puts its library.
const Module = "/usr/lib/softhsm/libsofthsm2.so"

// New makes a token in a folder of the test. Without SoftHSM2 the test fails:
// whoever builds with the tag wants to know.
func New(t *testing.T) hsm.Config {
	t.Helper()
	folder := t.TempDir()
	settings := filepath.Join(folder, "softhsm2.conf")
	text := "directories.tokendir = " + folder + "\nobjectstore.backend = file\nlog.level = ERROR\n"
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", settings)
	const pin = "8642"
	made := exec.CommandContext(t.Context(), "softhsm2-util", "--init-token", "--free", "--label", "renkei", "--pin", pin, "--so-pin", "13579")
	if out, err := made.CombinedOutput(); err != nil {
		t.Fatalf("make a token with softhsm2-util (Debian: apt-get install softhsm2): %v\n%s", err, out)
	}
	return hsm.Config{Module: Module, Token: "renkei", PIN: secret.Of(pin)}
}
