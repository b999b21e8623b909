package attack

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sizeAttacks are those that want to cost the server time, memory or its life.
func sizeAttacks() []Attack {
	return []Attack{
		{Row: "P19", Name: "giant and deep requests", Precedent: "Keycloak CVE-2026-4634; Go CVE-2025-61726",
			Expect: "4xx within 50 ms (or as fast as an honest request in the same run), memory flat", run: giants},
		{Row: "P20", Name: "JOSE bombs", Precedent: "CVE-2025-27144; CVE-2026-34986; CVE-2023-50658 (p2c)",
			Expect: "4xx, within the same time, and the server lives", run: bombs},
	}
}

// patience is how long a refusal may take: 50 ms, or four times what an ordinary
// refusal takes here and now, since whoever attacks shares the machine.
func (t *trial) patience(s *software) time.Duration {
	var took []time.Duration
	for range 15 {
		a := s.do(call{endpoint: "introspection_endpoint", nobody: true, form: values("client_id", "nobody", "token", "x")})
		if a.err != nil {
			t.cannot("an ordinary refusal does not come: %s", a.err)
		}
		took = append(took, a.took)
	}
	slices.Sort(took)
	return max(50*time.Millisecond, 4*took[len(took)/2])
}

// quickly sends something up to five times: once it must be refused in time, and
// every time it must be refused. Nothing at all may come only where the server
// hangs up on what it will not read.
func (t *trial) quickly(name string, within time.Duration, mayHangUp bool, send func() answer) {
	best := time.Duration(1 << 62)
	var a answer
	for range 5 {
		a = send()
		if a.err != nil && !mayHangUp || a.err == nil && (a.status < 400 || a.status > 499) {
			t.judge(name, false, "%s", a)
			return
		}
		if best = min(best, a.took); best <= within {
			break
		}
	}
	t.judge(name, best <= within, "%s in %s (within %s)", cut(a.String(), 200), best.Round(time.Millisecond), within.Round(time.Millisecond))
}

func giants(t *trial) {
	s := t.keyed(0)
	par := "pushed_authorization_request_endpoint"
	within := t.patience(s)
	process := processAt(t.target.Issuer)
	before := process.memory()
	push := func(name string, changes ...string) {
		t.quickly("PAR with "+name, within, true, func() answer {
			form, _ := s.asks(changes...)
			return s.push(form)
		})
	}
	push("100 kB of scope", "scope", strings.Repeat("account.balance ", 6_400))
	push("60 kB of scope", "scope", strings.TrimSpace(strings.Repeat("a ", 30_000)))
	push("60 kB of one scope", "scope", strings.Repeat("a", 60_000))
	push("60 kB of state", "state", strings.Repeat("s", 60_000))
	push("1 MB of state", "state", strings.Repeat("s", 1<<20))
	push("60 kB of nonce", "nonce", strings.Repeat("n", 60_000))
	push("60 kB of acr_values", "acr_values", strings.Repeat("a ", 30_000))
	push("60 kB of ui_locales", "ui_locales", strings.Repeat("ja ", 20_000))
	push("60 kB of prompt", "prompt", strings.Repeat("login ", 10_000))
	push("deep authorization_details", "authorization_details", strings.Repeat("[", 30_000)+strings.Repeat("]", 30_000))
	push("deep objects in authorization_details", "authorization_details", strings.Repeat(`{"a":`, 10_000)+"1"+strings.Repeat("}", 10_000))
	push("broken depth in authorization_details", "authorization_details", strings.Repeat("[{\"a\":", 10_000))
	push("many authorization_details", "authorization_details", "["+strings.TrimSuffix(strings.Repeat(`{"type":"corporate_account_information","actions":["balance"]},`, 900), ",")+"]")
	push("a giant number in authorization_details", "authorization_details", `[{"type":"corporate_account_information","actions":["balance"],"historyDays":1e999999}]`)
	push("deep claims", "claims", strings.Repeat(`{"id_token":`, 5_000)+"null"+strings.Repeat("}", 5_000))
	push("a giant max_age", "max_age", strings.Repeat("9", 50_000))
	push("a giant request object", "request", strings.Repeat("e", 60_000))
	push("a giant redirect_uri", "redirect_uri", s.RedirectURIs[0]+strings.Repeat("a", 60_000))
	for _, endpoint := range []string{par, "token_endpoint", "introspection_endpoint", "revocation_endpoint"} {
		for name, body := range sorted(map[string]string{
			"10^5 parameters":      strings.Repeat("a=1&", 100_000),
			"10^4 parameters":      strings.Repeat("a=1&", 10_000),
			"10^4 other names":     manyNames(10_000),
			"10^5 ampersands":      strings.Repeat("&", 100_000),
			"60 kB of %":           strings.Repeat("%", 60_000),
			"a giant name":         strings.Repeat("a", 60_000) + "=1",
			"5 MB":                 "a=" + strings.Repeat("a", 5<<20),
			"a giant client_id":    "client_id=" + strings.Repeat("a", 60_000),
			"a giant assertion":    "client_assertion_type=" + url.QueryEscape(assertionType) + "&client_assertion=" + strings.Repeat("a", 60_000),
			"many names for a set": strings.Repeat("a[]=1&", 10_000),
		}) {
			t.quickly(endpoint+" with "+name, within, true, func() answer { return s.do(call{endpoint: endpoint, raw: body, nobody: true}) })
		}
	}
	g, s := t.shared(s)
	for name, header := range sorted(map[string]http.Header{
		"1 MB of headers":           headers("X-Big", strings.Repeat("a", 1<<20)),
		"10^4 headers":              manyHeaders(10_000),
		"a giant cookie":            headers("Cookie", strings.Repeat("a=b; ", 20_000)),
		"a cookie of 20 kB":         headers("Cookie", strings.Repeat("a=b; ", 4_000)),
		"a giant Accept-Language":   headers("Accept-Language", strings.Repeat("ja;q=0.1,", 20_000)),
		"a giant token":             headers("Authorization", "DPoP "+strings.Repeat("a", 30_000)),
		"a giant proof":             headers("DPoP", strings.Repeat("a", 30_000)),
		"200 proofs":                {"DPoP": slices.Repeat([]string{"a.b.c"}, 200)},
		"a giant interaction id":    headers("X-Fapi-Interaction-Id", strings.Repeat("a", 30_000)),
		"200 Authorization headers": {"Authorization": slices.Repeat([]string{"DPoP x"}, 200)},
	}) {
		t.quickly("API with "+name, within, true, func() answer { return t.send(request{url: t.accounts(), header: header}) })
	}
	t.quickly("API with a giant query", within, true, func() answer {
		return s.use(use{url: t.accounts(), token: g.access(), query: "cursor=" + strings.Repeat("a", 25_000)})
	})
	t.quickly("API with 10^3 parameters", within, true, func() answer {
		return s.use(use{url: t.accounts(), token: g.access(), query: manyNames(1_000)})
	})
	t.quickly("a giant path", within, true, func() answer { return t.send(request{url: t.target.Issuer + "/" + strings.Repeat("a/", 12_000)}) })
	t.quickly("a giant query at the authorization endpoint", within, true, func() answer {
		return t.send(request{url: s.open(strings.Repeat("a", 25_000))})
	})
	t.works("an honest call afterwards", s.read(g.access()))
	if before == 0 {
		t.skip("memory", "the server's process is not to be seen from here")
		return
	}
	const allowed = 96 << 20
	after := process.settled(before + allowed)
	t.judge("memory", after < before+allowed, "%d MB before, %d MB after", before>>20, after>>20)
}

func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "p%d=1&", i)
	}
	return b.String()
}

func manyHeaders(n int) http.Header {
	h := http.Header{}
	for i := range n {
		h["X-"+strconv.Itoa(i)] = []string{"a"}
	}
	return h
}

func bombs(t *trial) {
	s := t.keyed(0)
	within := t.patience(s)
	big, ec := t.rsaKey(4096), newEC()
	payload := b64.EncodeToString([]byte("{}"))
	head := func(json string) string { return b64.EncodeToString([]byte(json)) }
	wide := strings.TrimSuffix(manyMembers(3_000), ",")
	all := map[string]string{
		"60 000 dots":              strings.Repeat(".", 60_000),
		"dots and letters":         strings.Repeat("a.", 30_000),
		"PBES2 with a giant p2c":   jwe(object{"alg": "PBES2-HS512+A256KW", "enc": "A256GCM", "p2c": 2_000_000_000, "p2s": random(16)}, random(40), "x"),
		"PBES2, a float of p2c":    jwe(object{"alg": "PBES2-HS256+A128KW", "enc": "A256GCM", "p2c": 1e308, "p2s": random(16)}, random(24), "x"),
		"a JWE that is zipped":     jwe(object{"alg": "dir", "enc": "A256GCM", "zip": "DEF"}, "", strings.Repeat("\x00", 40_000)),
		"a JWE with empty parts":   head(`{"alg":"dir","enc":"A256GCM"}`) + "....",
		"a JWE with a short key":   jwe(object{"alg": "A256KW", "enc": "A256GCM"}, "", "x"), // CVE-2026-34986
		"a JWE by ECDH, off curve": jwe(object{"alg": "ECDH-ES", "enc": "A256GCM", "epk": object{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}}, "", "x"),
		"JSON serialization":       `{"payload":"e30","signatures":[` + strings.TrimSuffix(strings.Repeat(`{"protected":"e30","signature":"AA"},`, 1_000), ",") + `]}`,
		"a deep header":            head(strings.Repeat(`{"alg":`, 500)+`"ES256"`+strings.Repeat("}", 500)) + "." + payload + ".AA",
		"a wide header":            head(`{"alg":"ES256",`+wide[:2_900]+`}`) + "." + payload + ".AA",
		"a giant header":           head(`{"alg":"ES256","x":"`+strings.Repeat("a", 40_000)+`"}`) + "." + payload + ".AA",
		"a wide payload":           forge(s.Key, object{"alg": algorithmOf(s.Key), "kid": s.KID}, "{"+wide+"}"),
		"a deep payload":           forge(s.Key, object{"alg": algorithmOf(s.Key), "kid": s.KID}, strings.Repeat(`{"a":`, 8_000)+"1"+strings.Repeat("}", 8_000)),
		"alg twice":                head(`{"alg":"none","alg":"ES256"}`) + "." + payload + ".AA",
		"alg an array":             head(`{"alg":["ES256"]}`) + "." + payload + ".AA",
		"a header that is null":    head("null") + "." + payload + ".AA",
		"a header that is a text":  head(`"ES256"`) + "." + payload + ".AA",
		"a giant signature":        head(`{"alg":"ES256","kid":"x"}`) + "." + payload + "." + strings.Repeat("A", 50_000),
		"a signature beyond n":     forged(s, bytes.Repeat([]byte{255}, 64)),
		"a signature of one byte":  forged(s, []byte{1}),
		"NUL bytes":                "\x00.\x00.\x00",
		"bytes that are not UTF-8": head("{\"alg\":\"ES256\",\"kid\":\"\xff\xfe\"}") + "." + payload + ".AA",
		"a giant number":           forge(s.Key, object{"alg": algorithmOf(s.Key), "kid": s.KID}, `{"exp":`+strings.Repeat("9", 20_000)+`}`),
	}
	for name, bomb := range sorted(all) {
		t.quickly(name+" as assertion", within, false, func() answer { return s.tries(bomb) })
		t.quickly(name+" as request object", within, false, func() answer { return s.push(values("request", bomb)) })
		t.quickly(name+" as id_token_hint", within, false, func() answer {
			form, _ := s.asks("id_token_hint", bomb)
			return s.push(form)
		})
		if len(bomb) < 20_000 && !strings.ContainsAny(bomb, "\x00") {
			t.quickly(name+" as proof", within, false, func() answer {
				return s.do(call{endpoint: "token_endpoint", form: values("grant_type", "refresh_token", "refresh_token", "x"), proofs: []string{bomb}})
			})
			t.quickly(name+" as access token", within, true, func() answer {
				return t.send(request{url: t.accounts(), header: headers("Authorization", "DPoP "+bomb, "DPoP", bomb)})
			})
		}
	}
	for name, jwk := range sorted(map[string]object{
		"RSA of 16 384 bits":         {"kty": "RSA", "n": b64.EncodeToString(bytes.Repeat([]byte{255}, 2048)), "e": "AQAB"},
		"RSA of 4096 bits, giant e":  {"kty": "RSA", "n": jwkOf(big.Public())["n"], "e": b64.EncodeToString(bytes.Repeat([]byte{255}, 500))},
		"RSA with e 1":               {"kty": "RSA", "n": jwkOf(big.Public())["n"], "e": "AQ"},
		"RSA with an even modulus":   {"kty": "RSA", "n": b64.EncodeToString(append(bytes.Repeat([]byte{255}, 255), 254)), "e": "AQAB"},
		"RSA of 512 bits":            {"kty": "RSA", "n": b64.EncodeToString(bytes.Repeat([]byte{255}, 64)), "e": "AQAB"},
		"RSA of nothing":             {"kty": "RSA", "n": "", "e": ""},
		"a point off the curve":      {"kty": "EC", "crv": "P-256", "x": jwkOf(ec.Public())["x"], "y": jwkOf(newEC().Public())["y"]},
		"a point at infinity":        {"kty": "EC", "crv": "P-256", "x": b64.EncodeToString(make([]byte, 32)), "y": b64.EncodeToString(make([]byte, 32))},
		"coordinates of a megabyte":  {"kty": "EC", "crv": "P-256", "x": strings.Repeat("A", 3_000), "y": strings.Repeat("A", 3_000)},
		"an unknown curve":           {"kty": "EC", "crv": "P-192", "x": "AA", "y": "AA"},
		"an octet key":               {"kty": "oct", "k": "AAAA"},
		"no kind":                    {"x": "AA"},
		"an Ed25519 key that is not": {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
	}) {
		for _, alg := range []string{"PS256", "ES256", "EdDSA"} {
			proof := s.proof(authorization, http.MethodPost, s.address("token_endpoint"), "", func(h, _ object) { h["jwk"], h["alg"] = jwk, alg })
			t.quickly(name+" in a proof, "+alg, within, true, func() answer {
				return s.do(call{endpoint: "token_endpoint", form: values("grant_type", "refresh_token", "refresh_token", "x"), proofs: []string{proof}})
			})
		}
	}
	a := t.send(request{url: t.target.Issuer + "/.well-known/oauth-authorization-server"})
	t.judge("the server lives", a.status == http.StatusOK, "%s", a)
	t.works("and knows its client", s.tries(s.assertion()))
}

func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"m%d":1,`, i)
	}
	return b.String()
}

// forged is a good assertion with another signature.
func forged(s *software, signature []byte) string {
	good := s.assertion()
	return good[:strings.LastIndexByte(good, '.')+1] + b64.EncodeToString(signature)
}

// process is a server on this machine, by its number; 0: none that we can see.
type process int

// processAt finds who listens at an address of this machine, as Linux tells it.
func processAt(origin string) process {
	u, err := url.Parse(origin)
	if err != nil || runtime.GOOS != "linux" {
		return 0
	}
	_, port, err := net.SplitHostPort(u.Host)
	n, numeral := strconv.Atoi(port)
	if err != nil || numeral != nil {
		return 0
	}
	inode := ""
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) > 9 && f[3] == "0A" && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", n)) {
				inode = f[9]
			}
		}
	}
	if inode == "" {
		return 0
	}
	open, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, at := range open {
		if to, err := os.Readlink(at); err == nil && to == "socket:["+inode+"]" {
			id, _ := strconv.Atoi(strings.Split(at, "/")[2])
			return process(id)
		}
	}
	return 0
}

// memory is what the process holds, in bytes; 0: unknown.
func (p process) memory() int64 {
	if p == 0 {
		return 0
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", int(p)))
	if err != nil {
		return 0
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			kB, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kB << 10
		}
	}
	return 0
}

// settled is memory, once it is below the limit or some seconds went by.
func (p process) settled(limit int64) int64 {
	now := p.memory()
	for until := time.Now().Add(5 * time.Second); now >= limit && time.Now().Before(until); now = p.memory() {
		time.Sleep(200 * time.Millisecond)
	}
	return now
}
