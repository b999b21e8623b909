package app

import (
	"context"
	"crypto/tls"
	"net/http"
	"slices"
	"strings"
	"time"

	"renkei.dev/internal/config"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/web"
)

// A host is one origin of an institution: where it is listened for, what is
// said in the handshake, and who answers.
type host struct {
	institution string
	origin      config.Origin
	address     config.Address
	kind        string // hosts of one address have the same kind
	tls         *tls.Config
	oneRequest  bool
	handler     http.Handler
}

// listen opens one listener for every address, shared by all hosts that want it.
func (a *App) listen(ctx context.Context) error {
	var addresses []config.Address
	hosts := map[config.Address][]host{}
	for _, in := range a.Institutions {
		for _, h := range in.hosts {
			if !slices.Contains(addresses, h.address) {
				addresses = append(addresses, h.address)
			}
			hosts[h.address] = append(hosts[h.address], h)
		}
	}
	for _, address := range addresses {
		here := hosts[address]
		err := a.open(ctx, address, web.Listener{
			Name: here[0].kind, TLS: byName(here, a.proxiesAt(here)), Handler: a.proxiesAt(here).Wrap(byHost(here)), OneRequest: here[0].oneRequest,
		}, here)
		if err != nil {
			return err
		}
	}
	if a.cfg.Settings.Admin != "" {
		return a.open(ctx, a.cfg.Settings.Admin, web.Listener{Name: "admin", Handler: a.probes()}, nil)
	}
	return nil
}

// open opens one listener and tells operators of it.
func (a *App) open(ctx context.Context, address config.Address, l web.Listener, hosts []host) (err error) {
	if l.Net, err = a.cfg.Listen(ctx, string(address)); err != nil {
		return err
	}
	a.listeners = append(a.listeners, l)
	var whose []string
	for _, h := range hosts {
		if !slices.Contains(whose, h.institution) {
			whose = append(whose, h.institution)
		}
	}
	a.cfg.Log.Info("listening", "address", l.Net.Addr().String(), "site", l.Name, "institutions", strings.Join(whose, " "))
	return nil
}

// byName chooses the TLS settings by the name that a client asks for; the first
// host's are for clients that ask for none. Proxies are asked who they are.
func byName(hosts []host, proxies *web.Proxies) *tls.Config {
	first := hosts[0].tls.Clone()
	first.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		chosen := hosts[0].tls
		for _, h := range hosts {
			if strings.EqualFold(h.origin.Name(), hello.ServerName) {
				chosen = h.tls
			}
		}
		if proxies.At(hello.Conn.RemoteAddr()) {
			return proxies.AskIn(chosen), nil
		}
		return chosen, nil
	}
	return first
}

// proxiesAt returns whom the hosts of one listener believe about their clients:
// the certificate hosts nobody, since a browser's choice of a certificate belongs
// to a TLS connection of our own (journey.md rule 1).
func (a *App) proxiesAt(hosts []host) *web.Proxies {
	if hosts[0].oneRequest {
		return nil
	}
	return a.proxies
}

// proxiesOf returns the proxies that the settings name; nil for none.
func proxiesOf(cfg Config) *web.Proxies {
	s := cfg.Settings.Proxies
	if s == nil {
		return nil
	}
	p := &web.Proxies{Authorities: cfg.Material.ProxyAuthorities, Names: s.Names, Now: cfg.Now, Log: cfg.Log}
	for _, n := range s.Addresses {
		p.Addresses = append(p.Addresses, n.Prefix())
	}
	return p
}

// byHost hands a request to the host that its Host header names exactly, port
// included, and answers 421 to all others.
func byHost(hosts []host) http.Handler {
	handlers := make(map[string]http.Handler, len(hosts))
	for _, h := range hosts {
		handlers[h.origin.Host()] = h.handler
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, ok := handlers[strings.ToLower(r.Host)]
		if !ok {
			w.Header().Set("Connection", "close")
			http.Error(w, http.StatusText(http.StatusMisdirectedRequest), http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// probes answers what an operator's machinery asks: /livez whether the process
// runs, /readyz whether it should be sent requests, /metrics how it fares.
func (a *App) probes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", a.metrics.Handler())
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "alive") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-a.stopping:
			say(w, http.StatusServiceUnavailable, "stopping")
			return
		default:
		}
		ctx, cancel := context.WithTimeout(r.Context(), readyWithin)
		defer cancel()
		if err := a.db.Ping(ctx); err != nil {
			a.cfg.Log.Warn("not ready", "error", err)
			say(w, http.StatusServiceUnavailable, "the database: "+fault.Of(err).Error())
			return
		}
		say(w, http.StatusOK, "ready")
	})
	return mux
}

// readyWithin is how long the database may take to show that it can be written
// to: who asks gives up soon after, and learns nothing then.
const readyWithin = 2 * time.Second

func say(w http.ResponseWriter, status int, word string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if _, err := w.Write([]byte(word + "\n")); err != nil {
		return // whoever asked has gone
	}
}
