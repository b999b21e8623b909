package oauth

// nonces makes and checks DPoP nonces without memory.
type nonces struct {
	key    []byte
	issuer string
}
