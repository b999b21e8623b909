package oauth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"sync/atomic"
	"time"
)

const (
	nonceStep = time.Minute // a new nonce each minute
	nonceAge  = 2           // steps that an older one stays good: 3 minutes at most
	nonceMAC  = 16
)

// server is which of our servers a DPoP nonce is for (RFC 9449 §8 and §9).
type server string

const (
	authorizationServer server = "as"
	resourceServer      server = "rs"
)

// nonces makes and checks DPoP nonces without memory: the minute and its MAC,
// the same on all nodes.
type nonces struct {
	key    []byte
	issuer string
}

func (n nonces) at(s server, step uint32) string {
	h := hmac.New(sha256.New, n.key)
	var head [5]byte
	binary.BigEndian.PutUint32(head[:], step)
	head[4] = byte(len(s))
	h.Write(head[:])
	h.Write([]byte(s))
	h.Write([]byte(n.issuer))
	out := make([]byte, 4, 4+sha256.Size)
	copy(out, head[:4])
	return base64.RawURLEncoding.EncodeToString(h.Sum(out)[:4+nonceMAC])
}

// good tells whether a nonce is ours for this server and fresh.
func (n nonces) good(s server, nonce string, now time.Time) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(nonce)
	if err != nil || len(raw) != 4+nonceMAC {
		return false
	}
	given, current := binary.BigEndian.Uint32(raw), step(now)
	// One step ahead is another node's clock.
	if given > current+1 || given+nonceAge < current {
		return false
	}
	return hmac.Equal([]byte(nonce), []byte(n.at(s, given)))
}

func step(t time.Time) uint32 { return uint32(t.Unix() / int64(nonceStep/time.Second)) }

// Nonce returns the DPoP nonce to hand out at the authorization server's
// endpoints now (RFC 9449 §8).
func (e *Engine) Nonce() string {
	return e.handOut(&e.handedOut[0], authorizationServer)
}

// ResourceNonce returns the DPoP nonce to hand out at APIs, UserInfo and grants
// now (RFC 9449 §9).
func (e *Engine) ResourceNonce() string {
	return e.handOut(&e.handedOut[1], resourceServer)
}

// handedOut is the nonce of one step.
type handedOut struct {
	step  uint32
	nonce string
}

// handOut makes a step's nonce once: every answer carries it.
func (e *Engine) handOut(last *atomic.Pointer[handedOut], s server) string {
	now := step(e.now())
	if h := last.Load(); h != nil && h.step == now {
		return h.nonce
	}
	h := &handedOut{now, e.nonces.at(s, now)}
	last.Store(h)
	return h.nonce
}
