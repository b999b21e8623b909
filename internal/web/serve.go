package web

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"renkei.dev/internal/fault"
)

// Listener is one open port and who answers there.
type Listener struct {
	Name    string
	Net     net.Listener
	TLS     *tls.Config // nil: plain HTTP, for loopback or behind a proxy that ends TLS
	Handler http.Handler
	// OneRequest closes the connection after each answer and speaks HTTP/1.1
	// alone: the certificate hosts, where a connection stands for the choice of
	// one certificate (journey.md rule 1).
	OneRequest bool
}

// Times within which a client must have sent what it sends.
const (
	headerWithin = 10 * time.Second
	bodyWithin   = 30 * time.Second
	answerWithin = 60 * time.Second
	idleFor      = 90 * time.Second
	maxHeader    = 32 << 10
)

// Serve answers on all listeners until ctx ends, then takes no more connections
// and lets the requests that run finish for at most grace. It returns nil after
// such an end, and the first failure of a listener otherwise.
func Serve(ctx context.Context, log *slog.Logger, grace time.Duration, listeners ...Listener) error {
	failed := make(chan error, len(listeners))
	servers := make([]*http.Server, 0, len(listeners))
	for _, l := range listeners {
		server := l.server(log)
		servers = append(servers, server)
		go func() {
			var err error
			if l.TLS == nil {
				err = server.Serve(l.Net)
			} else {
				err = server.ServeTLS(l.Net, "", "")
			}
			if !errors.Is(err, http.ErrServerClosed) {
				failed <- fault.Wrap(fault.Internal, "serve "+l.Name, err)
			}
		}()
	}
	var first error
	select {
	case <-ctx.Done():
	case first = <-failed:
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	done := make(chan struct{}, len(servers))
	for _, server := range servers {
		go func() {
			if server.Shutdown(stopping) != nil {
				server.Close() // too slow: cut off rather than hang
			}
			done <- struct{}{}
		}()
	}
	for range servers {
		<-done
	}
	return first
}

func (l Listener) server(log *slog.Logger) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(l.TLS != nil && !l.OneRequest)
	server := &http.Server{
		Handler: l.Handler, Protocols: protocols,
		ReadHeaderTimeout: headerWithin, ReadTimeout: bodyWithin, WriteTimeout: answerWithin, IdleTimeout: idleFor,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(log.With("listener", l.Name).Handler(), slog.LevelDebug), // handshakes that fail are no news
	}
	if l.TLS != nil {
		server.TLSConfig = l.TLS.Clone()
		if l.OneRequest {
			server.TLSConfig.SessionTicketsDisabled = true
		}
	}
	server.SetKeepAlivesEnabled(!l.OneRequest)
	return server
}
