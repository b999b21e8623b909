package demo

import (
	"strings"

	"renkei.dev/internal/demo/service"
	"renkei.dev/internal/oauth"
)

// startCall is a command by which whoever tries the demo stands in for one of its
// partners, word by word, and what it does.
type startCall struct {
	What    string
	Command []string
}

// calls are the whole way to a balance at a terminal, in the place of the partner
// that proves itself by a certificate: curl alone can do that.
func (v startView) calls(d *demo) []startCall {
	s := theOneBy(service.MutualTLS)
	curl := func(more ...string) []string {
		return append([]string{"curl", "--cacert", quoted(d.folder.path(caFile)),
			"--cert", quoted(d.folder.path(s.file("-tls-certificate.pem"))), "--key", quoted(d.folder.path(s.file("-tls.pem")))}, more...)
	}
	accounts := d.places.origin("localhost", apiAt) + "/open-api/v1/accounts"
	const bearer = "'Authorization: Bearer ACCESS_TOKEN'"
	return []startCall{
		{v.T("start.call_push", "service", v.nameOf(s)), append(command(), "par", "--demo", quoted(string(d.folder)), "--partner", s.id)},
		{v.T("start.call_token"), curl("-d", "grant_type=authorization_code", "-d", "client_id="+s.clientID(),
			"-d", "redirect_uri="+s.url(d.places)+service.CallbackPath, "-d", "code=CODE", "-d", "code_verifier=CODE_VERIFIER",
			d.places.origin("localhost", mutualTLSAt)+string(oauth.TokenEndpoint))},
		{v.T("start.call_accounts"), curl("-H", bearer, accounts)},
		{v.T("start.call_balance"), curl("-H", bearer, accounts+"/ACCOUNT_ID/balance")},
	}
}

// tools are commands that help with what curl cannot do or say.
func (v startView) tools(d *demo) []startCall {
	s := theOneBy(service.KeyAndDPoP)
	return []startCall{
		{v.T("start.tool_jwt"), append(command(), "jwt", "decode", "--demo", quoted(string(d.folder)), "ID_TOKEN")},
		{v.T("start.tool_dpop", "service", v.nameOf(s)), append(command(), "dpop", "proof", "--key", quoted(d.folder.path(s.file("-proof.pem"))),
			"--url", d.places.origin("localhost", apiAt)+"/open-api/v1/accounts", "--token", "ACCESS_TOKEN", "--nonce", "NONCE")},
	}
}

func (v startView) nameOf(s supplier) string {
	if v.InJapanese() {
		return s.service
	}
	return s.english
}

func theOneBy(how service.Authentication) supplier {
	for _, s := range suppliers {
		if s.authentication == how {
			return s
		}
	}
	panic("the demo has no partner with " + string(how))
}

// quoted writes a path so that a shell takes it for one word.
func quoted(path string) string {
	plain := func(r rune) bool {
		return r > 0x7f || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune(`/\:._-+@%`, r)
	}
	if strings.ContainsFunc(path, func(r rune) bool { return !plain(r) }) {
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path
}
