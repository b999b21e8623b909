// Package protocol is the HTTP edge of the authorization server: it reads
// requests within limits, hands them to the engine, and writes answers, headers
// and one log line.
//
// It decides nothing: rules are in package oauth, pages in the packages that app
// puts in by Start and ErrorPage. Routes stand at the top of this file.
package protocol

import (
	"log/slog"
	"net/http"

	"renkei.dev/internal/oauth"
)

// Options are what the edge of one issuer is made of.
type Options struct {
	Engine *oauth.Engine
	// Start hands an authorization that began over to the screens.
	Start func(http.ResponseWriter, *http.Request, oauth.Interaction)
	// ErrorPage shows why none began; a Redirect in it is offered as a button,
	// and taken at once unless PageFirst or nil.
	ErrorPage func(http.ResponseWriter, *http.Request, *oauth.AuthorizeFailure)
	// Address returns the client's network address; nil: that of the connection.
	Address func(*http.Request) string
	Log     *slog.Logger
}

// Handler serves the issuer's own origin: everything except what asks for a
// certificate. It answers 404 for paths that are not its own.
func Handler(o Options) http.Handler { return http.NotFoundHandler() }

// MutualTLSHandler serves the aliases of RFC 8705 §5 at the mutual-TLS origin,
// whose listener asks for certificates (tls.RequestClientCert) and verifies none.
func MutualTLSHandler(o Options) http.Handler { return http.NotFoundHandler() }
