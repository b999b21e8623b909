// Package web is the ground under every HTTP edge: listeners that stop in good
// order, the headers of a bank's page, protection against foreign forms and
// hosts, request logs, and static files under names that carry their content.
//
// It knows no page, no protocol and no bank: edges bring their handlers, and
// app puts each behind a Site. Start with Site, then Serve.
package web

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// Site is one origin: what every request to it passes before its handler.
type Site struct {
	Name    string   // in logs: issuer, certificate, api …
	Hosts   []string // the values of Host that are ours, with the port unless it is 443; others get 421
	Headers Headers
	// ForeignForms are patterns of net/http.ServeMux that other origins may post
	// to, e.g. "POST /authorize"; all other unsafe requests from a browser's
	// foreign page get 403.
	ForeignForms []string
	MaxBody      int64                                        // bytes; 0: 64 KiB
	Broken       func(w http.ResponseWriter, r *http.Request) // the page after a panic; nil: a bare 500
	Foreign      func(w http.ResponseWriter, r *http.Request) // the page for a foreign form; nil: a bare 403
	Lost         func(w http.ResponseWriter, r *http.Request) // the page for a path that is spelled oddly; nil: the handler sees it as it came
	TooSlow      time.Duration                                // a request slower than this is logged as a warning; 0: never
	Address      func(r *http.Request) string                 // the client's network address in the log; nil: that of the connection
	// Seen is told of every request with its status, 0 if nothing was answered;
	// r.Pattern is the route that answered. nil: nobody is told.
	Seen func(r *http.Request, status int, took time.Duration)
	Log  *slog.Logger
}

const defaultMaxBody = 64 << 10

// Wrap returns h behind everything that the site demands.
func (s Site) Wrap(h http.Handler) http.Handler {
	limit := s.MaxBody
	if limit == 0 {
		limit = defaultMaxBody
	}
	h = bounded(h, limit)
	h = s.ownForms(h)
	h = s.plainPaths(h)
	h = s.ownHosts(h)
	h = s.Headers.Wrap(h)
	h = s.recovered(h)
	return s.logged(h)
}

// bounded bounds what a handler reads of a body. Unlike http.MaxBytesHandler it
// hands the request itself on, so that the route that is found stands in it.
func bounded(next http.Handler, limit int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		next.ServeHTTP(w, r)
	})
}

// ownForms refuses unsafe requests that a browser sends for a foreign page
// (CSRF), by Sec-Fetch-Site and Origin.
func (s Site) ownForms(next http.Handler) http.Handler {
	p := http.NewCrossOriginProtection()
	for _, pattern := range s.ForeignForms {
		p.AddInsecureBypassPattern(pattern)
	}
	if s.Foreign != nil {
		p.SetDenyHandler(http.HandlerFunc(s.Foreign))
	}
	return p.Handler(next)
}

// plainPaths knows every address in one spelling: http.ServeMux would send
// others on with a 307, which repeats a form and its secrets (RFC 9700 §4.12).
func (s Site) plainPaths(next http.Handler) http.Handler {
	if s.Lost == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := r.URL.EscapedPath()
		if clean := path.Clean(p); p != clean && p != strings.TrimSuffix(clean, "/")+"/" {
			s.Lost(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ownHosts answers 421 to a Host that is not ours, and to one that is not the
// name that the TLS connection was made for: a browser that reuses a connection
// for another name opens a new one then (RFC 9110 §7.4, §15.5.20).
func (s Site) ownHosts(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.Host
		if host, _, err := net.SplitHostPort(r.Host); err == nil {
			name = host
		}
		known := len(s.Hosts) == 0 || slices.ContainsFunc(s.Hosts, func(h string) bool { return strings.EqualFold(h, r.Host) })
		if !known || r.TLS != nil && r.TLS.ServerName != "" && !strings.EqualFold(r.TLS.ServerName, name) {
			w.Header().Set("Connection", "close")
			http.Error(w, http.StatusText(http.StatusMisdirectedRequest), http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// recovered turns a panic into one log entry and our own page.
func (s Site) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			what := recover()
			switch {
			case what == nil:
				return
			case what == http.ErrAbortHandler:
				panic(what) // the way in which net/http itself gives a request up
			}
			s.Log.Error("panic", "site", s.Name, "method", r.Method, "path", r.URL.Path,
				"panic", fmt.Sprint(what), "stack", string(debug.Stack()))
			if seen, ok := w.(*watched); ok && seen.status != 0 {
				panic(http.ErrAbortHandler) // part of a page is out: better none than a half
			}
			s.Headers.set(w.Header())
			if s.Broken == nil {
				http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
				return
			}
			s.Broken(w, r)
		}()
		next.ServeHTTP(w, r)
	})
}

// logged writes one line for each request: no query, no header, no body.
func (s Site) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		seen := &watched{ResponseWriter: w}
		defer func() {
			took := time.Since(began)
			if s.Seen != nil {
				s.Seen(r, seen.status, took)
			}
			level := slog.LevelInfo
			switch {
			case seen.status >= 500 && seen.status != http.StatusServiceUnavailable:
				level = slog.LevelError
			case s.TooSlow > 0 && took > s.TooSlow:
				level = slog.LevelWarn
			}
			address := r.RemoteAddr
			if s.Address != nil {
				address = s.Address(r)
			}
			s.Log.LogAttrs(r.Context(), level, "request",
				slog.String("site", s.Name), slog.String("method", r.Method), slog.String("path", r.URL.Path),
				slog.Int("status", seen.status), slog.Int64("bytes", seen.bytes),
				slog.Duration("took", took), slog.String("address", address), slog.String("proto", r.Proto))
		}()
		next.ServeHTTP(seen, r)
	})
}

// watched remembers what was answered.
type watched struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *watched) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *watched) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController through.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }
