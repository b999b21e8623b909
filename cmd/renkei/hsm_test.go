//go:build pkcs11

package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"renkei.dev/internal/hsm/hsmtest"
)

// TestKeysAreMadeInAnHSMAtTheCommandLine runs the scripts of testdata/hsm, each with
// the one token of this test.
func TestKeysAreMadeInAnHSMAtTheCommandLine(t *testing.T) {
	token := hsmtest.New(t)
	p := sessions("testdata/hsm")
	before := p.Setup
	p.Setup = func(e *testscript.Env) error {
		e.Setenv("SOFTHSM2_CONF", os.Getenv("SOFTHSM2_CONF"))
		e.Setenv("MODULE", token.Module)
		e.Setenv("PIN", token.PIN.Reveal())
		return before(e)
	}
	testscript.Run(t, p)
}
