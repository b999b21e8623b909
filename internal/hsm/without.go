//go:build !pkcs11

package hsm

import "renkei.dev/internal/fault"

// Open refuses: this program was built without PKCS #11.
func Open(Config) (Token, error) {
	return nil, fault.New(fault.Invalid, "this program was built without PKCS #11: build it with CGO_ENABLED=1 go build -tags pkcs11 ./cmd/renkei")
}
