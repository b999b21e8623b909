package attack

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"
)

// metadataAttacks are those on what is registered and published.
func metadataAttacks() []Attack {
	return []Attack{
		{Row: "P21", Name: "key sets fetched from inside (SSRF)", Precedent: "Zitadel CVE-2026-55671, CVE-2025-67494; Casdoor CVE-2026-5469",
			Expect: "refused when the connection is made; nothing arrives", Beyond: "names that resolve anew, redirects, slow and large answers",
			Test: "TestKeysAreFetchedFromPublicAddressesAlone (internal/web/protocol/fetchkeys_test.go)", run: fetchedKeys},
		{Row: "P29", Name: "metadata that lies", Precedent: "disabled algorithms and curves; RFC 8414",
			Expect: "what it names works, what it does not name is refused", run: promises},
		{Row: "P30", Name: "names and addresses that harm whoever sees them", Precedent: "Zitadel CVE-2026-29192; Authelia CVE-2026-33525; Hydra CVE-2019-8400",
			Expect: "escaped on pages, refused at registration", run: harmfulNames},
		{Row: "P36", Name: "registration managed by others", Precedent: "RFC 7592 §2, §5",
			Expect: "401", run: registrations},
		{Row: "P37", Name: "encrypted tokens as oracles", Precedent: "Abblix Oidc.Server#187; RFC 7516 §11.5",
			Expect: "one answer, whatever is wrong", run: oracles},
	}
}

func promises(t *trial) {
	s := t.keyed(0)
	for _, path := range []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"} {
		a := t.send(request{url: t.target.Issuer + path})
		t.judge(path, a.status == 200 && a.text("issuer") == t.target.Issuer, "%s", a)
	}
	for name, v := range sorted(t.metadata) {
		at, isText := v.(string)
		if !isText || !strings.HasSuffix(name, "_endpoint") && name != "jwks_uri" {
			continue
		}
		if name == "grant_management_endpoint" {
			at += "/x" // it is a grant's address that answers
		}
		a := t.send(request{url: at})
		t.judge(name+" is there", a.err == nil && a.status != 404 && a.status < 500, "%s", a)
	}
	for _, path := range []string{"/device", "/device_authorization", "/bc-authorize", "/ciba", "/end_session", "/logout", "/check_session", "/connect/register", "/ssa", "/saml", "/fido"} {
		a := t.send(request{url: t.target.Issuer + path, body: "client_id=" + s.ID, header: headers("Content-Type", "application/x-www-form-urlencoded")})
		t.judge(path+" is not", a.err == nil && (a.status == 404 || a.status == 405), "%s", a)
	}
	grants := t.metadata.list("grant_types_supported")
	for _, grant := range []string{"password", "implicit", "urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:saml2-bearer",
		"urn:ietf:params:oauth:grant-type:token-exchange", "urn:openid:params:grant-type:ciba", "urn:ietf:params:oauth:grant-type:pre-authorized_code", "Authorization_Code", ""} {
		if !slices.Contains(grants, grant) {
			t.refused("grant type "+grant, s.token(values("grant_type", grant, "assertion", s.assertion(), "username", "x", "password", "x", "device_code", "x")), 400, "unsupported_grant_type", "unauthorized_client", "invalid_request")
		}
	}
	for _, scope := range []string{"offline_access", "profile", "email", "address", "admin", "*", "account.*", "account.", "payment", "OPENID openid "} {
		form, _ := s.asks("scope", scope+" account.balance")
		t.refused("scope "+scope, s.push(form), 400, "invalid_scope")
	}
	for _, scope := range t.metadata.list("scopes_supported") {
		if strings.HasPrefix(scope, "account.") || scope == "openid" {
			form, _ := s.asks("scope", strings.TrimSpace(scope+" "+strings.Repeat("account.balance", b2i(scope == "openid"))))
			t.works("scope "+scope, s.push(form))
		}
	}
	for _, prompt := range []string{"create", "sudo", "Login", "none login"} {
		if !slices.Contains(t.metadata.list("prompt_values_supported"), prompt) {
			form, _ := s.asks("prompt", prompt)
			t.refused("prompt "+prompt, s.push(form), 400, "invalid_request")
		}
	}
	for _, prompt := range t.metadata.list("prompt_values_supported") {
		form, _ := s.asks("prompt", prompt)
		t.works("prompt "+prompt, s.push(form))
	}
	for _, kind := range []string{"payment_initiation", "openid_credential", "Corporate_Account_Information"} {
		form, _ := s.asks("authorization_details", `[{"type":"`+kind+`","actions":["balance"]}]`)
		t.refused("authorization_details of type "+kind, s.push(form), 400, "invalid_authorization_details")
	}
	algorithms(t, s)
	ownKeys(t)
	keySet(t)
	oldTLS(t)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// algorithms tries every signature algorithm of the field in a DPoP proof, where a
// client brings a key of its choice: those that are named must work.
func algorithms(t *trial, s *software) {
	named := t.metadata.list("dpop_signing_alg_values_supported")
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.cannot("%s", err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.cannot("%s", err)
	}
	rsa2048 := t.rsaKey(2048)
	g := t.code(s)
	at := s.address("token_endpoint")
	for _, alg := range []string{"ES256", "PS256", "EdDSA", "Ed25519", "RS256", "ES384", "ES512", "ES256K", "PS384", "HS256", "none", "ML-DSA-44"} {
		var key crypto.Signer = newEC()
		switch alg {
		case "PS256", "RS256", "PS384":
			key = rsa2048
		case "EdDSA", "Ed25519":
			key = ed
		case "ES384":
			key = p384
		}
		proof := s.with(key).proof(authorization, http.MethodPost, at, "", func(h, _ object) { h["alg"] = alg })
		if alg == "none" {
			proof = proof[:strings.LastIndexByte(proof, '.')+1]
		}
		a := s.once(call{endpoint: "token_endpoint", form: g.redemption("code_verifier", random(32)), proofs: []string{proof}})
		if a.code() == "use_dpop_nonce" {
			proof = s.with(key).proof(authorization, http.MethodPost, at, "", func(h, _ object) { h["alg"] = alg })
			a = s.once(call{endpoint: "token_endpoint", form: g.redemption("code_verifier", random(32)), proofs: []string{proof}})
		}
		if slices.Contains(named, alg) {
			t.refused("a proof by "+alg+", which is named, gets as far as the wrong verifier", a, 400, "invalid_grant")
		} else {
			t.refused("a proof by "+alg+", which is not named", a, 400, "invalid_dpop_proof")
		}
	}
	for _, alg := range []string{"RS256", "HS256", "ES384", "ES512", "none", "RS1"} {
		if !slices.Contains(t.metadata.list("token_endpoint_auth_signing_alg_values_supported"), alg) {
			t.refused("an assertion by "+alg+", which is not named", s.tries(s.assertion(func(h, _ object) { h["alg"] = alg })), 401, "invalid_client")
		}
		if !slices.Contains(t.metadata.list("request_object_signing_alg_values_supported"), alg) {
			form, _ := s.asks()
			t.refused("a request object by "+alg+", which is not named", s.push(values("request", s.requestObject(form, func(h, _ object) { h["alg"] = alg }))), 400, "invalid_request_object")
		}
	}
	methods := t.metadata.list("token_endpoint_auth_methods_supported")
	for _, weak := range []string{"none", "client_secret_basic", "client_secret_post", "client_secret_jwt"} {
		t.judge("authentication by "+weak+" is not on offer", !slices.Contains(methods, weak), "%v", methods)
	}
	t.judge("PKCE by S256 alone", slices.Equal(t.metadata.list("code_challenge_methods_supported"), []string{"S256"}), "%v", t.metadata.list("code_challenge_methods_supported"))
	for _, kind := range []string{"token", "id_token", "id_token token", "code token"} {
		t.judge("response type "+kind+" is not on offer", !slices.Contains(t.metadata.list("response_types_supported"), kind), "%v", t.metadata.list("response_types_supported"))
	}
	iss, _ := t.metadata["authorization_response_iss_parameter_supported"].(bool)
	back := g.way.Query().Get("iss")
	t.judge("iss in the answer", iss && back == t.target.Issuer, "%q", back)
}

// keySet looks whether the published keys are public, strong and used.
func keySet(t *trial) {
	keys, _ := t.send(request{url: t.metadata.text("jwks_uri")}).json()["keys"].([]any)
	t.judge("the key set has keys", len(keys) > 0, "%d", len(keys))
	for _, one := range keys {
		k, _ := one.(map[string]any)
		private := slices.ContainsFunc([]string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}, func(name string) bool { _, is := k[name]; return is })
		strong := true
		if raw, err := b64.DecodeString(text(k["n"])); err == nil && text(k["kty"]) == "RSA" {
			strong = new(big.Int).SetBytes(raw).BitLen() >= 2048
		}
		t.judge("key "+cut(text(k["kid"]), 16), !private && strong && text(k["kty"]) != "oct" && text(k["kid"]) != "", "private %v, strong %v, %s", private, strong, text(k["kty"]))
	}
}

func harmfulNames(t *trial) {
	s := t.keyed(0)
	at := t.metadata.text("authorization_endpoint")
	marks := []string{`"><script>alert(1)</script>`, `'><img src=x onerror=alert(1)>`, `</title><svg/onload=alert(1)>`, `javascript:alert(1)`, "\u202eevil", `{{.}}`, `${7*7}`, "%3Cscript%3E"}
	for _, mark := range marks {
		for _, name := range []string{"client_id", "request_uri", "error", "error_description", "redirect_uri", "state", "ui_locales", "login_hint"} {
			v := values("client_id", s.ID, "request_uri", "urn:x")
			v.Set(name, mark)
			a := t.send(request{url: at + "?" + v.Encode()})
			body := string(a.body)
			harm := strings.Contains(body, "<script>alert") || strings.Contains(body, "<img src=x") || strings.Contains(body, "<svg/onload") || strings.Contains(body, "javascript:alert") || strings.Contains(body, "\u202e") || strings.Contains(body, "49"+"}")
			sound := a.err == nil && a.status < 500 && !harm && (a.header.Get("Content-Security-Policy") != "" || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html"))
			t.judge("error page with "+name+"="+mark, sound, "%s", a)
		}
		form, _ := s.asks("login_hint", mark, "ui_locales", mark, "state", mark)
		a := s.push(form)
		if a.status != http.StatusCreated {
			t.judge("a hint "+mark, a.status == 400, "%s", a)
			continue
		}
		p, err := t.browse().visit(s.open(a.text("request_uri")))
		t.judge("a hint "+mark, err == nil && !strings.Contains(p.body, "<script>alert") && !strings.Contains(p.body, "<img src=x") && !strings.Contains(p.body, "<svg/onload"), "%d %q", p.status, p.heading())
	}
	for _, path := range []string{"/<script>alert(1)</script>", "/link/\"><script>alert(1)</script>", "/%3Cscript%3Ealert(1)%3C/script%3E"} {
		a := t.send(request{url: t.target.Issuer + strings.NewReplacer("<", "%3C", ">", "%3E", `"`, "%22").Replace(path)})
		t.judge("GET "+path, a.err == nil && !strings.Contains(string(a.body), "<script>alert"), "%s", a)
	}
	if !t.registers() {
		t.skip("harmful metadata at registration", noRegistration+"; FuzzClientMetadata (internal/oauth/fuzz_test.go) does")
		return
	}
	for name, by := range sorted(map[string]object{
		"javascript: as redirect_uri": {"redirect_uris": []string{"javascript:alert(1)"}}, "data: as redirect_uri": {"redirect_uris": []string{"data:text/html,x"}},
		"http as redirect_uri": {"redirect_uris": []string{"http://partner.example/cb"}}, "a fragment": {"redirect_uris": []string{"https://partner.example/cb#x"}},
		"HTML as name": {"client_name": "<b>x</b>"}, "a bidi name": {"client_name": "x\u202ey"}, "a NUL in the name": {"client_name": "x\x00y"},
		"javascript: as logo": {"logo_uri": "javascript:alert(1)"}, "javascript: as policy": {"policy_uri": "javascript:alert(1)"}, "an octet key": {"jwks": object{"keys": []object{{"kty": "oct", "k": "AAAA"}}}},
		"a private key": {"jwks": object{"keys": []object{{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "AA"}}}}, "a wildcard": {"redirect_uris": []string{"https://*.partner.example/cb"}},
		"authentication none": {"token_endpoint_auth_method": "none"}, "a secret": {"token_endpoint_auth_method": "client_secret_basic"}, "grant type implicit": {"grant_types": []string{"implicit"}},
		"an inner jwks_uri": {"jwks": nil, "jwks_uri": "http://127.0.0.1/jwks"},
	}) {
		a, _ := t.register(by)
		raw, _ := json.Marshal(by)
		_, value, _ := strings.Cut(strings.Trim(string(raw), "{}"), ":")
		ignored := a.status == http.StatusCreated && !strings.Contains(string(a.body), strings.Trim(value, `"`))
		t.judge("registration with "+name, a.status == 400 || ignored, "%s", a)
	}
}

func oracles(t *trial) {
	s := t.keyed(0)
	var jwk object
	set, _ := t.send(request{url: t.metadata.text("jwks_uri")}).json()["keys"].([]any)
	if len(set) > 0 {
		jwk, _ = set[0].(map[string]any)
	}
	epk := jwkOf(newEC().Public())
	tokens := map[string]string{
		"a random key by RSA1_5":     jwe(object{"alg": "RSA1_5", "enc": "A256GCM", "kid": jwk["kid"]}, random(192), "x"),
		"right padding by RSA1_5":    jwe(object{"alg": "RSA1_5", "enc": "A256GCM", "kid": jwk["kid"]}, "\x00\x02"+strings.Repeat("\xff", 221)+"\x00"+strings.Repeat("k", 32), "x"),
		"a short key by RSA1_5":      jwe(object{"alg": "RSA1_5", "enc": "A256GCM", "kid": jwk["kid"]}, "\x00", "x"),
		"a random key by RSA-OAEP":   jwe(object{"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": jwk["kid"]}, random(192), "x"),
		"another key":                jwe(object{"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": "nobody"}, random(192), "x"),
		"a wrong tag by ECDH-ES":     jwe(object{"alg": "ECDH-ES", "enc": "A256GCM", "epk": epk, "kid": jwk["kid"]}, "", "x"),
		"a wrong tag by dir":         jwe(object{"alg": "dir", "enc": "A256GCM"}, "", "x"),
		"CBC with a wrong tag":       jwe(object{"alg": "dir", "enc": "A128CBC-HS256"}, "", strings.Repeat("x", 32)),
		"CBC with wrong padding":     jwe(object{"alg": "dir", "enc": "A128CBC-HS256"}, "", strings.Repeat("x", 31)),
		"an unknown content cipher":  jwe(object{"alg": "dir", "enc": "A1"}, "", "x"),
		"an unknown key algorithm":   jwe(object{"alg": "X", "enc": "A256GCM"}, "", "x"),
		"a small ephemeral key":      jwe(object{"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "epk": object{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}}, random(30), "x"),
		"a nested token of a client": jwe(object{"alg": "dir", "enc": "A256GCM", "cty": "JWT"}, "", s.requestObject(values("response_type", "code"))),
	}
	type seen struct {
		name   string
		answer answer
	}
	for where, try := range sorted(map[string]func(string) answer{
		"request object": func(v string) answer { return s.push(values("request", v)) },
		"assertion":      s.tries,
		"id_token_hint":  func(v string) answer { f, _ := s.asks("id_token_hint", v); return s.push(f) },
		"access token": func(v string) answer {
			return s.useOnce(use{url: t.metadata.text("userinfo_endpoint"), token: v})
		},
	}) {
		var first *seen
		took := map[string]time.Duration{}
		for name, token := range sorted(tokens) {
			var a answer
			for range 3 {
				a = try(token)
				if took[name] == 0 || a.took < took[name] {
					took[name] = a.took
				}
			}
			if first == nil {
				first = &seen{name, a}
			}
			same := a.err == nil && a.status == first.answer.status && string(a.body) == string(first.answer.body) && a.status >= 400 && a.status < 500
			t.judge(name+" as "+where, same, "%s, but %s for %s", a, first.answer, first.name)
		}
		var all []time.Duration
		for _, d := range took {
			all = append(all, d)
		}
		slices.Sort(all)
		// What tells keys apart costs a private operation, which is milliseconds.
		spread := all[len(all)-1] - all[0]
		t.judge("the time of a "+where, spread < max(20*time.Millisecond, 3*all[len(all)/2]), "from %s to %s", all[0].Round(time.Microsecond), all[len(all)-1].Round(time.Microsecond))
	}
}
