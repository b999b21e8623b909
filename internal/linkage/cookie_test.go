package linkage

import (
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/secret"
)

func boxed(t testing.TB) *Service {
	t.Helper()
	box, err := secret.NewBox(map[uint32][]byte{1: make([]byte, secret.KeySize)})
	if err != nil {
		t.Fatal(err)
	}
	return &Service{Institution: "demo", Box: box, Now: func() time.Time { return time.Unix(1_800_000_000, 0) }}
}

// What a browser brings opens nothing unless we sealed it, in the one spelling in
// which we handed it out.
func FuzzCookie(f *testing.F) {
	s := boxed(f)
	once, err := s.PresentCertificate(f.Context(), 7, "", Presented{Verdict: Accepted})
	if err != nil {
		f.Fatal(err)
	}
	sealed := preludeSealing.prefix + b64.EncodeToString(s.Box.Seal([]byte(`{"Row":{"ID":7}}`), "journey cookie", s.Institution))
	journey := cookieOf(state{}, 7, 3).Reveal()
	carrying, err := s.sealCarried(&carried{ID: 7})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{once.Reveal(), sealed, journey, carrying.Reveal()} {
		f.Add(seed)
		f.Add(seed[:20] + "\n" + seed[20:])
		f.Add(seed + "=")
		f.Add(strings.ToUpper(seed))
	}
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		v := secret.Of(text)
		_, rest, _ := strings.Cut(text, "_")
		raw, ok := decode(rest)
		ours := ok && b64.EncodeToString(raw) == rest
		// Another process of the fuzzer sealed what opens, under the same key.
		p, prelude := s.openPrelude(v)
		if prelude && (!ours || p.Row.ID != 7) {
			t.Fatalf("%q opens as a cookie", text)
		}
		o, taken := s.openOnce(v)
		if taken && (!ours || prelude || o.Journey != 7) {
			t.Fatalf("%q opens as a one-time secret", text)
		}
		if c := s.openCarried(Visit{Journey: 7, Cookie: v}); c != nil && (!ours || prelude || taken || c.ID != 7) {
			t.Fatalf("%q opens as what carries a journey", text)
		}
		if s.openCarried(Visit{Journey: 8, Cookie: v}) != nil {
			t.Fatalf("%q opens another journey", text)
		}
		s.sessionDigest(v)
		if rest, is := cutPrefix(v, cookiePrefix); is {
			raw, ok := decode(rest)
			if ok && b64.EncodeToString(raw) != rest {
				t.Fatalf("%q has another spelling", text)
			}
			if prelude || taken {
				t.Fatalf("%q is of two kinds", text)
			}
		}
	})
}
