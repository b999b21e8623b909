package linkage

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"strings"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
)

var b64 = base64.RawURLEncoding.Strict()

const idBytes = 8

// decode reads base64url as we write it and in no other spelling: the decoder
// itself would skip line breaks.
func decode(text string) (raw []byte, ok bool) {
	raw, err := b64.DecodeString(text)
	return raw, err == nil && !strings.ContainsAny(text, "\r\n")
}

// sealing is a kind of value that a browser holds for us, sealed: how it begins, what
// its seal is bound to beside the institution, and its words for an error.
type sealing struct{ prefix, bound, words string }

var (
	preludeSealing = sealing{"jny0_", "journey cookie", "a journey's cookie"}
	carriedSealing = sealing{"jny2_", "journey carried", "a journey's cookie"}
	onceSealing    = sealing{oncePrefix, "certificate", "a one-time secret"}
)

// seal returns what a browser is to hold.
func (s *Service) seal(k sealing, v any) (secret.Value, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return secret.Value{}, fault.Wrap(fault.Internal, "write "+k.words, err)
	}
	return secret.Of(k.prefix + b64.EncodeToString(s.Box.Seal(plain, k.bound, s.Institution))), nil
}

// open reads what seal wrote into v; false for anything else, and v is of no use then.
func (s *Service) open(k sealing, brought secret.Value, v any) bool {
	text, is := cutPrefix(brought, k.prefix)
	if !is {
		return false
	}
	sealed, ours := decode(text)
	if !ours {
		return false
	}
	plain, err := s.Box.Open(sealed, k.bound, s.Institution)
	return err == nil && json.Unmarshal(plain, v) == nil
}

// cookieOf returns the cookie of a journey at one version. It is made from the
// journey's own seed, so that whoever repeats the press that led there, on any
// node, is given the same one, and nothing at rest is worth stealing.
func cookieOf(st state, id JourneyID, version int64) secret.Value {
	mac := secret.MAC(st.Seed, cookieKind, placeOf(id, version), secret.Value{})
	b := binary.BigEndian.AppendUint64(make([]byte, 0, idBytes+len(mac)), uint64(id))
	return secret.Of(cookiePrefix + b64.EncodeToString(append(b, mac[:]...)))
}

// pressToken returns what the forms of a page carry: it names the journey, the
// version and nothing else, and only the journey's own pages hold it.
func pressToken(st state, id JourneyID, version int64) string {
	mac := secret.MAC(st.Seed, tokenKind, placeOf(id, version), secret.Value{})
	return b64.EncodeToString(mac[:16])
}

// pressOf returns the digest of a press before the login, secrets included. The
// key is nowhere at rest.
func pressOf(p prelude, b Button, typed ...secret.Value) secret.Digest {
	var d secret.Digest
	scope := string(b) + " " + placeOf(p.Row.ID, int64(p.Try))
	for _, v := range append([]secret.Value{{}}, typed...) {
		d = secret.MAC(p.Pepper, pressKind, scope+" "+b64.EncodeToString(d[:]), v)
	}
	return d
}

// hopToken returns what a link to a certificate host carries: who comes there with
// it came from a page of this journey.
func hopToken(st state, id JourneyID) string {
	mac := secret.MAC(st.Seed, hopKind, id.String(), secret.Value{})
	return b64.EncodeToString(mac[:16])
}

func deviceToken(st state) secret.Value {
	mac := secret.MAC(st.Seed, deviceKind, "", secret.Value{})
	return secret.Of("dev_" + b64.EncodeToString(mac[:]))
}

func placeOf(id JourneyID, version int64) string {
	return id.String() + " " + strconv.FormatInt(version, 10)
}

func cutPrefix(v secret.Value, prefix string) (string, bool) {
	return strings.CutPrefix(v.Reveal(), prefix)
}
