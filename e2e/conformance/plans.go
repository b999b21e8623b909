package main

import (
	"slices"
	"strings"
)

// pair is two clients, of two partners, that one plan needs.
type pair struct {
	name    string
	profile string // of the server's
	auth    string // the suite's word: private_key_jwt or mtls
	bound   string // mtls or dpop
	signed  bool
	jarm    bool
	own     bool // client credentials alone
}

// pairs are all that are registered. Whether a partner speaks OpenID Connect, and in
// which mode it wants its answer, it says in each request.
func pairs() []pair {
	var all []pair
	for _, auth := range []string{"private_key_jwt", "mtls"} {
		short := strings.TrimSuffix(auth, "_jwt")
		short = strings.ReplaceAll(short, "_", "-")
		for _, bound := range []string{"mtls", "dpop"} {
			p := pair{profile: "fapi2", auth: auth, bound: bound}
			for _, kind := range []string{"", "signed", "jarm", "own"} {
				p.name = strings.Join(slices.DeleteFunc([]string{"fapi2", short, bound, kind}, func(s string) bool { return s == "" }), "-")
				p.signed, p.jarm, p.own = kind == "signed" || kind == "jarm", kind == "jarm", kind == "own"
				all = append(all, p)
			}
		}
		one := pair{name: "fapi1-" + short, profile: "fapi1_adv", auth: auth, bound: "mtls", signed: true}
		all = append(all, one)
		one.name, one.jarm = one.name+"-jarm", true
		all = append(all, one)
	}
	return all
}

// mode is the suite's word for how the answer comes.
func (p pair) mode() string {
	if p.jarm {
		return "jarm"
	}
	return "plain_response"
}

// asks are the ways in which a pair of the Security Profile says what it wants: by
// scope everywhere, and by authorization_details with either authentication and either
// constraint once.
func (p pair) asks(openid string) []string {
	if p.auth == "private_key_jwt" && p.bound == "dpop" && openid == "openid_connect" ||
		p.auth == "mtls" && p.bound == "mtls" && openid == "plain_oauth" {
		return []string{"simple", "rar"}
	}
	return []string{"simple"}
}

// run is one plan with one choice of its variants.
type run struct {
	plan    string
	variant map[string]string
	pair    pair
	openid  bool
	rar     bool
}

// name is of the plan's kind and all that was chosen, and names its files.
func (r run) name() string {
	kind := map[string]string{securityProfile: "fapi2-sp-", messageSigning: "fapi2-ms-", advanced: "fapi1-"}[r.plan]
	parts := []string{kind + strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(r.pair.name, "fapi2-"), "fapi1-"), "-signed")}
	switch {
	case r.plan == advanced:
		parts = append(parts, strings.ReplaceAll(r.variant["fapi_auth_request_method"], "_", "-"))
	case r.pair.own:
	case r.openid:
		parts = append(parts, "openid")
	default:
		parts = append(parts, "oauth")
	}
	if r.rar {
		parts = append(parts, "rar")
	}
	return strings.Join(parts, "-")
}

const (
	securityProfile = "fapi2-security-profile-final-test-plan"
	messageSigning  = "fapi2-message-signing-final-test-plan"
	advanced        = "fapi1-advanced-final-test-plan"
)

// runs are all plans with all variants that the server is held to.
func runs() []run {
	var all []run
	for _, p := range pairs() {
		switch {
		case p.profile == "fapi1_adv":
			for _, method := range []string{"by_value", "pushed"} {
				all = append(all, run{advanced, map[string]string{
					"client_auth_type": p.auth, "fapi_auth_request_method": method,
					"fapi_profile": "plain_fapi", "fapi_response_mode": p.mode(),
				}, p, true, false})
			}
		case p.own:
			all = append(all, run{securityProfile, map[string]string{
				"client_auth_type": p.auth, "sender_constrain": p.bound, "fapi_profile": "fapi_client_credentials_grant",
				"openid": "plain_oauth", "authorization_request_type": "simple",
			}, p, false, false})
		case p.signed:
			for _, openid := range []string{"openid_connect", "plain_oauth"} {
				all = append(all, run{messageSigning, map[string]string{
					"client_auth_type": p.auth, "sender_constrain": p.bound, "fapi_profile": "plain_fapi", "openid": openid,
					"fapi_request_method": "signed_non_repudiation", "fapi_response_mode": p.mode(), "authorization_request_type": "simple",
				}, p, openid == "openid_connect", false})
			}
		default:
			for _, openid := range []string{"openid_connect", "plain_oauth"} {
				for _, kind := range p.asks(openid) {
					all = append(all, run{securityProfile, map[string]string{
						"client_auth_type": p.auth, "sender_constrain": p.bound, "fapi_profile": "plain_fapi", "openid": openid,
						"authorization_request_type": kind,
					}, p, openid == "openid_connect", kind == "rar"})
				}
			}
		}
	}
	return all
}

// places are where things are.
type places struct {
	Suite string // with a slash at its end
	Port  int    // of the login; mutual TLS, API, certificate login and the admin follow
}

// configuration is what the suite is told of a plan. secrets are the clients' keys;
// nil leaves words in their places, for the copy that is kept.
func (r run) configuration(at places, keys [2]clientKeys) map[string]any {
	c := map[string]any{
		"alias":       "renkei-" + r.pair.name,
		"description": r.name(),
		"server":      map[string]any{"discoveryUrl": at.login() + "/.well-known/openid-configuration"},
		"resource":    map[string]any{"resourceUrl": at.api() + "/open-api/v1/accounts"},
		"browser":     browser(at, false),
		"options":     map[string]any{"browsercontrol_css_enable": false},
		"override":    r.overrides(at),
	}
	if r.pair.own {
		c["resource"] = map[string]any{"resourceUrl": at.api() + "/open-api/v1/partner"}
	}
	if r.rar {
		c["resource"].(map[string]any)["richAuthorizationRequest"] = []any{map[string]any{
			"type": "corporate_account_information", "actions": []string{"balance", "transactions"}, "historyDays": 60,
		}}
	}
	for i, number := range []string{"", "2"} {
		client := map[string]any{"client_id": clientID(r.pair, i), "scope": r.scope(), "jwks": keys[i].JWKS}
		if r.pair.bound == "dpop" {
			client["dpop_signing_alg"] = []string{"ES256", "PS256"}[i] // the other than its own
		}
		c["client"+number] = client
		if r.pair.bound == "mtls" || r.pair.auth == "mtls" {
			c["mtls"+number] = map[string]any{"cert": keys[i].Certificate, "key": keys[i].Key, "ca": keys[i].Authority}
		}
	}
	return c
}

func (r run) scope() string {
	var s []string
	if r.openid {
		s = append(s, "openid")
	}
	switch {
	case r.pair.own:
		s = append(s, "partner")
	case r.rar: // the suite wants a scope, and two to change their order
		s = append(s, "account.balance")
	default:
		s = append(s, "account.balance", "account.transactions")
	}
	return strings.Join(s, " ")
}

// browser is what a customer does on the pages, for the suite's browser without a
// screen. Everything is optional, since many tests end before there is a page.
func browser(at places, refuses bool) []any {
	page := func(name, match string, commands ...any) map[string]any {
		return map[string]any{"task": name, "match": match, "optional": true, "commands": commands}
	}
	press := []string{"click", "css", "main form button.main"}
	link := at.login() + "/link/*"
	end := []any{[]string{"click", "css", "input[name=renews][value=add]", "optional"}, []string{"click", "id", "intent-proceed"}, press}
	if refuses {
		end = []any{[]string{"click", "css", "button[formaction$=refuse]"}}
	}
	return []any{map[string]any{
		"match": at.login() + "/authorize*",
		"tasks": []any{
			page("our page instead of a way back", at.login()+"/authorize*",
				[]any{"wait", "css", "main", 10, ".*", "update-image-placeholder-optional"}),
			page("login", link+"/login",
				[]string{"text", "name", "login_id", customer.login}, []string{"text", "name", "password", customer.password}, press),
			page("functions", link+"/business", press),
			page("inquiry PINs", link+"/pin",
				[]string{"text", "id", "pin-" + customer.accounts[0], customer.pins[0]},
				[]string{"text", "id", "pin-" + customer.accounts[1], customer.pins[1]}, press),
			page("what was registered", link+"/pin-result", press),
			page("consent", link+"/consent", end...),
			page("handover", link+"/handover", []string{"click", "css", "a.button.main", "optional"}),
			page("back at the client", at.Suite+"test/*/callback*", []any{"wait", "id", "submission_complete", 10}),
		},
	}}
}

// overrides are for the tests in which the customer does something else: refuses, or
// comes to the login and goes, to come again.
func (r run) overrides(at places) map[string]any {
	family := map[string]string{advanced: "fapi1-advanced-final-"}[r.plan]
	if family == "" {
		family = "fapi2-security-profile-final-" // Message Signing has the same modules
	}
	o := map[string]any{}
	if !r.pair.own {
		leaves := map[string]any{"match": at.login() + "/authorize*", "match-limit": 1, "tasks": []any{}}
		o[family+"user-rejects-authentication"] = map[string]any{"browser": browser(at, true)}
		o[family+"par-ensure-reused-request-uri-prior-to-auth-completion-succeeds"] = map[string]any{"browser": append([]any{leaves}, browser(at, false)...)}
	}
	return o
}

// customer is one of the sandbox's.
var customer = struct {
	login, password string
	accounts, pins  [2]string
}{"ok.pw", "demo-ok-pw-2468", [2]string{"001-1-1000101", "002-2-1000102"}, [2]string{"1101", "1102"}}

func clientID(p pair, n int) string { return "cl-" + p.name + []string{"-a", "-b"}[n] }
