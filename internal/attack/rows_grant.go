package attack

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"strings"
	"sync"
)

// grantAttacks are those on codes, refresh tokens and what ends them.
func grantAttacks() []Attack {
	return []Attack{
		{Row: "P11", Name: "a code redeemed by somebody else, or elsewhere", Precedent: "Zitadel CVE-2026-55672; Pocket ID CVE-2026-28513; tinyauth CVE-2026-32245; Mattermost CVE-2026-6334",
			Expect: "400 invalid_grant; the code stays good for its owner", run: foreignCode},
		{Row: "P12", Name: "a code redeemed again, and fifty times at once", Precedent: "RFC 6749 §4.1.2; RFC 9700 §4.5",
			Expect: "exactly one success; a replay ends what the code gave", run: replayedCode},
		{Row: "P13", Name: "refresh tokens of others, without proof, for more", Precedent: "Pocket ID CVE-2026-43983; Keycloak CVE-2026-1035, CVE-2026-9802",
			Expect: "invalid_grant, invalid_client or invalid_dpop_proof; in a race a consistent state",
			Beyond: "refreshing after a cancellation at the bank, an expiry, a restart", Test: "TestTokensEndWithWhatTheyStandOn (internal/web/protocol/resource_test.go)", run: refreshes},
		{Row: "P16", Name: "introspection of others' tokens", Precedent: "Gitea CVE-2026-58425; RFC 7662 §2.2",
			Expect: "active:false", run: introspections},
		{Row: "P17", Name: "revocation that is not", Precedent: "fosite CVE-2020-15223; RFC 7009 §2",
			Expect: "200 only for what is durable, and then at once", Beyond: "revoking while the store fails",
			Test: "TestARevocationIsDoneOrTheAnswerSaysOtherwise (internal/store/oauth_audit_test.go)", run: revocations},
		{Row: "P32", Name: "each way of ending a grant, alone", Precedent: "Keycloak CVE-2026-8922; authentik CVE-2025-64521",
			Expect: "introspection, refresh and API all end", Beyond: "the ends that the bank, the customer and the company decide",
			Test: "TestTokensEndWithWhatTheyStandOn (internal/web/protocol/resource_test.go)", run: cutOffs},
	}
}

func foreignCode(t *trial) {
	s, other := t.keyed(0), t.keyed(1)
	g := t.code(s)
	t.refused("another client", other.redeem(g), 400, "invalid_grant")
	t.refused("another client, that names the owner", other.redeem(g, "client_id", s.ID), 401, "invalid_client")
	t.refused("nobody", s.do(call{endpoint: "token_endpoint", form: g.redemption("client_id", s.ID), nobody: true}), 401, "invalid_client")
	t.refused("another redirect_uri", s.redeem(g, "redirect_uri", "https://evil.example/"), 400, "invalid_grant")
	t.refused("redirect_uri with a slash", s.redeem(g, "redirect_uri", s.RedirectURIs[0]+"/"), 400, "invalid_grant")
	if len(s.RedirectURIs) > 1 {
		t.refused("the client's other redirect_uri", s.redeem(g, "redirect_uri", s.RedirectURIs[1]), 400, "invalid_grant")
	}
	if t.hasCertified() {
		m := t.certified()
		t.refused("a client with a certificate", m.redeem(g), 400, "invalid_grant")
	}
	t.works("the owner afterwards", s.redeem(g))

	bound := t.code(s, "dpop_jkt", thumbprint(s.prover.Public()))
	thief := s.with(newEC())
	t.refused("another key than dpop_jkt", thief.redeem(bound), 400, "invalid_grant", "invalid_dpop_proof")
	t.refused("no key at all", s.do(call{endpoint: "token_endpoint", form: bound.redemption(), proofs: noProof}), 400, "invalid_dpop_proof")
	t.works("the key's owner afterwards", s.redeem(bound))

	if !t.hasCertified() {
		t.skip("a code of a client with mutual TLS, with another certificate", "no client with mutual TLS")
		return
	}
	m := t.certified()
	held := t.code(m)
	for name, certificate := range sorted(m.impostors()) {
		t.refused("a client's code with "+name, m.do(call{endpoint: "token_endpoint", form: held.redemption(), certificate: &certificate}), 401, "invalid_client")
	}
	t.refused("a client's code without certificate", m.without().redeem(held), 401, "invalid_client")
	t.refused("a client's code by a client with a key", s.redeem(held), 400, "invalid_grant")
	t.works("its owner afterwards", m.redeem(held))
}

// without is the software with no certificate, at the addresses that ask for one.
func (s *software) without() *software {
	other := *s
	none := tls.Certificate{}
	other.Certificate = &none
	return &other
}

// impostors are certificates that are not the client's: of an own making, under
// its very name, and those that the target's file names.
func (s *software) impostors() map[string]tls.Certificate {
	out := map[string]tls.Certificate{"a self-made certificate": selfMade(nil, nil)}
	if leaf, err := x509.ParseCertificate(s.Certificate.Certificate[0]); err == nil {
		out["a self-made certificate under its name"] = selfMade(leaf.RawSubject, nil)
		twin := selfMade(leaf.RawSubject, nil)
		twin.Certificate = append(twin.Certificate, s.Certificate.Certificate...)
		out["a self-made certificate with the right one behind it"] = twin
	}
	for why, c := range s.Wrong {
		out["one that is "+why] = c
	}
	return out
}

func replayedCode(t *trial) {
	s := t.keyed(0)
	g := t.grant(s)
	t.works("the token at first", s.read(g.access()))
	t.refused("the code once more", s.redeem(g), 400, "invalid_grant")
	t.refused("the access token afterwards", s.read(g.access()), 401)
	t.judge("the access token at introspection", !s.active(g.access()), "still active")
	t.judge("the refresh token at introspection", !s.active(g.refresh()), "still active")
	t.refused("the refresh token afterwards", s.refresh(g.refresh()), 400, "invalid_grant")
	t.refused("the code a third time", s.redeem(g), 400, "invalid_grant")

	raced := t.code(s)
	// What is made by hand beforehand leaves the store's part alone to the race.
	var mu sync.Mutex
	var given []string
	won, odd, answers := t.race(50, func(n int) answer {
		a := s.do(call{endpoint: "token_endpoint", form: raced.redemption(), node: n % (len(t.target.Nodes) + 1)})
		if token := a.text("access_token"); token != "" {
			mu.Lock()
			given = append(given, token)
			mu.Unlock()
		}
		return a
	}, 400, "invalid_grant")
	t.judge("fifty redemptions at once: exactly one", won == 1 && odd == "", "%d succeeded of %d%s", won, len(answers), odd)
	t.refused("and later", s.redeem(raced), 400, "invalid_grant")
	for _, token := range given {
		t.refused("what the one got is ended by the others", s.read(token), 401)
	}
	if len(t.target.Nodes) == 0 {
		t.skip("redemptions at several nodes", "the target has one; see --nodes")
	}
}

func refreshes(t *trial) {
	s, other := t.keyed(0), t.keyed(1)
	g := t.grant(s)
	t.works("its owner", s.refresh(g.refresh()))
	t.refused("another client", other.refresh(g.refresh()), 400, "invalid_grant")
	form := values("grant_type", "refresh_token", "refresh_token", g.refresh(), "client_id", s.ID)
	t.refused("no client authentication", s.do(call{endpoint: "token_endpoint", form: form, nobody: true}), 401, "invalid_client")
	form.Del("client_id")
	t.refused("no proof", s.do(call{endpoint: "token_endpoint", form: form, proofs: noProof}), 400, "invalid_dpop_proof")
	t.refused("an empty proof", s.do(call{endpoint: "token_endpoint", form: form, proofs: []string{""}}), 400, "invalid_dpop_proof")
	for _, more := range []string{"account.transactions", "openid account.balance account.transactions", "everything", "partner"} {
		if strings.Contains(" "+s.wants()+" ", " "+more+" ") {
			continue
		}
		t.refused("for scope "+more, s.refresh(g.refresh(), "scope", more), 400, "invalid_scope")
	}
	details := `[{"type":"corporate_account_information","actions":["balance","transactions","deposits"]}]`
	t.refused("for other authorization_details", s.refresh(g.refresh(), "authorization_details", details), 400, "invalid_authorization_details", "invalid_scope", "invalid_request")
	t.refused("for another resource", s.refresh(g.refresh(), "resource", "https://evil.example/"), 400, "invalid_target")
	if t.hasCertified() {
		t.refused("a client with a certificate", t.certified().refresh(g.refresh()), 400, "invalid_grant")
	}
	t.refused("as a code", s.token(values("grant_type", "authorization_code", "code", g.refresh(), "redirect_uri", s.RedirectURIs[0], "code_verifier", random(32))), 400, "invalid_grant")
	for name, grant := range sorted(map[string]string{"password": "password", "implicit": "implicit", "token exchange": "urn:ietf:params:oauth:grant-type:token-exchange"}) {
		t.refused("by grant type "+name, s.token(values("grant_type", grant, "refresh_token", g.refresh(), "username", "x", "password", "x", "subject_token", g.access())), 400, "unsupported_grant_type", "unauthorized_client")
	}

	var mu sync.Mutex
	var tokens []string
	_, odd, _ := t.race(20, func(n int) answer {
		a := s.do(call{endpoint: "token_endpoint", form: values("grant_type", "refresh_token", "refresh_token", g.refresh()), node: n % (len(t.target.Nodes) + 1)})
		if token := a.text("access_token"); token != "" {
			mu.Lock()
			tokens = append(tokens, token)
			mu.Unlock()
		}
		return a
	}, 400, "invalid_grant")
	t.judge("twenty refreshes at once", odd == "" && len(tokens) > 0, "%d succeeded%s", len(tokens), odd)
	alive := 0
	for _, token := range tokens {
		if s.active(token) {
			alive++
		}
	}
	t.judge("what they gave is all alive or all dead", alive == 0 || alive == len(tokens), "%d of %d are alive", alive, len(tokens))
	last := s.refresh(g.refresh())
	t.judge("and the refresh token fares alike", (alive > 0) == (last.status == http.StatusOK), "%d alive, then %s", alive, last)
	s.revoke(g.refresh())
	t.refused("after its revocation", s.refresh(g.refresh()), 400, "invalid_grant")
}

func introspections(t *trial) {
	s, other := t.keyed(0), t.keyed(1)
	g, s := t.shared(s)
	t.judge("the owner", s.active(g.access()), "the owner's own token is not active")
	inactive := func(name string, a answer) {
		active, is := a.json()["active"].(bool)
		t.judge(name, a.status == 200 && is && !active && len(a.json()) == 1, "%s %s", a, cut(string(a.body), 200))
	}
	inactive("an access token, by another client", other.introspect(g.access()))
	inactive("a refresh token, by another client", other.introspect(g.refresh()))
	if t.hasCertified() {
		inactive("by a client with a certificate", t.certified().introspect(g.access()))
	} else {
		t.skip("by a client with a certificate", "no client with mutual TLS")
	}
	for name, token := range sorted(map[string]string{
		"rubbish": "x", "an ID token": g.text("id_token"), "a code": g.code, "an empty text": " ", "an assertion": s.assertion(), "a token with a tail": g.access() + "A",
	}) {
		if token != "" {
			inactive(name, s.introspect(token))
		}
	}
	for name, a := range sorted(map[string]answer{
		"nobody":        s.do(call{endpoint: "introspection_endpoint", form: values("token", g.access(), "client_id", s.ID), nobody: true}),
		"a token alone": s.lab.send(request{method: "POST", url: t.metadata.text("introspection_endpoint"), header: headers("Content-Type", "application/x-www-form-urlencoded", "Authorization", "Bearer "+g.access()), body: "token=" + g.access()}),
	}) {
		t.refused(name, a, 401, "invalid_client")
	}
	other.revoke(g.access())
	other.revoke(g.refresh())
	t.judge("another client's revocation ends nothing", s.active(g.access()) && s.active(g.refresh()), "a token ended")
}

func revocations(t *trial) {
	s := t.keyed(0)
	g := t.grant(s)
	_, odd, _ := t.race(10, func(int) answer { return s.revoke(g.refresh()) }, 200)
	t.judge("ten at once", odd == "", "%s", odd)
	t.judge("introspection at once", !s.active(g.refresh()) && !s.active(g.access()), "a token is active still")
	t.refused("the API at once", s.read(g.access()), 401)
	t.refused("a refresh at once", s.refresh(g.refresh()), 400, "invalid_grant")
	t.refused("without a token", s.do(call{endpoint: "revocation_endpoint", form: values("token_type_hint", "access_token")}), 400, "invalid_request")
	t.refused("by nobody", s.do(call{endpoint: "revocation_endpoint", form: values("token", "x", "client_id", s.ID), nobody: true}), 401, "invalid_client")
	g = t.grant(s)
	a := s.do(call{endpoint: "revocation_endpoint", form: values("token", g.access(), "token_type_hint", "refresh_token")})
	t.judge("a wrong hint", a.status == 200 && !s.active(g.access()), "%s", a)

	// What is refreshed while the revocation runs ends with it.
	g = t.grant(s)
	var mu sync.Mutex
	var given []string
	t.race(16, func(n int) answer {
		if n%4 == 3 {
			return s.revoke(g.refresh())
		}
		a := s.refresh(g.refresh())
		if token := a.text("access_token"); token != "" {
			mu.Lock()
			given = append(given, token)
			mu.Unlock()
		}
		return a
	}, 400, "invalid_grant")
	for _, token := range given {
		t.refused("a token of a refresh that raced the revocation", s.read(token), 401)
	}
	t.refused("a refresh after that race", s.refresh(g.refresh()), 400, "invalid_grant")
}

func cutOffs(t *trial) {
	s := t.keyed(0)
	over := func(name string, g *grant) {
		t.judge(name+": introspection", !s.active(g.access()) && !s.active(g.refresh()), "a token is active still")
		t.refused(name+": API", s.read(g.access()), 401)
		t.refused(name+": UserInfo", s.use(use{url: t.metadata.text("userinfo_endpoint"), token: g.access()}), 401)
		t.refused(name+": refresh", s.refresh(g.refresh()), 400, "invalid_grant")
	}
	g := t.grant(s)
	s.revoke(g.refresh())
	over("the refresh token revoked", g)

	g = t.grant(s)
	s.revoke(g.access())
	t.refused("the access token revoked: API", s.read(g.access()), 401)
	t.judge("the access token revoked: introspection", !s.active(g.access()), "still active")
	t.works("the access token revoked: refresh", s.refresh(g.refresh()))

	g = t.grant(s)
	s.redeem(g)
	over("the code used again", g)

	removedClient(t)
	grants := t.metadata.text("grant_management_endpoint")
	if grants == "" || !s.Own {
		t.skip("the grant ended by its name", "the target or its file offers no grant management")
		return
	}
	g = t.grant(s, "grant_management_action", "create", "scope", s.wants()+" grant_management_revoke")
	id := g.text("grant_id")
	if id == "" {
		t.skip("the grant ended by its name", "the answer names no grant_id")
		return
	}
	a := s.use(use{method: http.MethodDelete, url: grants + "/" + id, token: g.access()})
	t.judge("the grant ended by its name", a.status == http.StatusNoContent, "%s", a)
	over("the grant ended by its name", g)
	over2 := t.grant(s)
	g = t.grant(s, "grant_management_action", "create", "scope", s.wants()+" grant_management_revoke")
	s.use(use{method: http.MethodDelete, url: grants + "/" + g.text("grant_id"), token: g.access()})
	t.works("and no other grant with it", s.read(over2.access()))
}
