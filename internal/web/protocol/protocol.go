// Package protocol is the HTTP edge of the authorization server: it reads
// requests within limits, hands them to the engine, and writes answers and
// headers.
//
// It decides nothing: rules are in package oauth, pages in the packages that app
// puts in by Start and ErrorPage, and the request log is the site's. Start with
// the routes below; a file per endpoint follows.
package protocol

import (
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"

	"renkei.dev/internal/oauth"
)

// Options are what the edge of one issuer is made of.
type Options struct {
	Engine *oauth.Engine
	// Start hands an authorization that began over to the screens.
	Start func(http.ResponseWriter, *http.Request, oauth.Interaction)
	// ErrorPage shows why none began. A Redirect in the failure is offered as a
	// button there; where the partner may be told at once, no page is asked for.
	ErrorPage func(http.ResponseWriter, *http.Request, *oauth.AuthorizeFailure)
	// Began returns the handles of the journeys that this browser began.
	Began func(*http.Request) []oauth.Handle
	// SignedIn tells whether this browser holds a sign-in session; nil: none does.
	SignedIn func(*http.Request) bool
	// Address returns the client's network address; nil: that of the connection.
	Address func(*http.Request) string
	// Certificates returns the client's certificate chain at the mutual-TLS
	// origin, leaf first; nil: that of our own TLS.
	Certificates func(*http.Request) []*x509.Certificate
	Log          *slog.Logger
}

// edge is one origin of an issuer.
type edge struct {
	Options
	mutualTLS bool
}

// Handler serves the issuer's own origin: everything except what asks for a
// certificate. It answers 404 for paths that are not its own.
func Handler(o Options) http.Handler {
	e := edge{Options: o}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+string(oauth.AuthorizeEndpoint), e.authorize)
	mux.HandleFunc("POST "+string(oauth.AuthorizeEndpoint), e.authorize)
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", e.metadata) // RFC 8414 §3
	mux.HandleFunc("GET /.well-known/openid-configuration", e.metadata)       // OpenID Discovery §4
	mux.HandleFunc("GET "+string(oauth.KeySetEndpoint), e.keySet)
	mux.HandleFunc("GET "+string(oauth.ReasonsEndpoint)+"/{reason}", e.reason)
	e.shared(mux)
	return mux
}

// MutualTLSHandler serves the aliases of RFC 8705 §5 at the mutual-TLS origin,
// whose listener asks for certificates (tls.RequestClientCert) and verifies none:
// the engine judges them, so that a refusal has words.
func MutualTLSHandler(o Options) http.Handler {
	e := edge{Options: o, mutualTLS: true}
	mux := http.NewServeMux()
	e.shared(mux)
	return mux
}

// shared are the endpoints that stand at both origins.
func (e edge) shared(mux *http.ServeMux) {
	mux.HandleFunc("POST "+string(oauth.PAREndpoint), e.push)
	mux.HandleFunc("POST "+string(oauth.TokenEndpoint), e.token)
	mux.HandleFunc("POST "+string(oauth.RevokeEndpoint), e.revoke)
	mux.HandleFunc("POST "+string(oauth.IntrospectEndpoint), e.introspect)
	mux.HandleFunc("GET "+string(oauth.UserInfoEndpoint), e.userInfo)
	mux.HandleFunc("POST "+string(oauth.UserInfoEndpoint), e.userInfo)
	mux.HandleFunc("GET "+string(oauth.GrantsEndpoint)+"/{grant}", e.queryGrant)
	mux.HandleFunc("DELETE "+string(oauth.GrantsEndpoint)+"/{grant}", e.revokeGrant)
	if e.Engine.Issuer().SelfRegistration {
		mux.HandleFunc("POST "+string(oauth.RegisterEndpoint), e.register)
		mux.HandleFunc("GET "+string(oauth.RegisterEndpoint)+"/{client}", e.readRegistration)
		mux.HandleFunc("PUT "+string(oauth.RegisterEndpoint)+"/{client}", e.changeRegistration)
		mux.HandleFunc("DELETE "+string(oauth.RegisterEndpoint)+"/{client}", e.removeRegistration)
	}
}

func (e edge) address(r *http.Request) string {
	if e.Address != nil {
		return e.Address(r)
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func (e edge) certificates(r *http.Request) []*x509.Certificate {
	switch {
	case !e.mutualTLS:
		return nil
	case e.Certificates != nil:
		return e.Certificates(r)
	case r.TLS != nil:
		return r.TLS.PeerCertificates
	}
	return nil
}
