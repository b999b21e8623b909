package app

import (
	"context"
	"crypto/tls"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"time"

	"renkei.dev/internal/config"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/corebank/sandbox"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/login"
	"renkei.dev/internal/metrics"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/pki"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
	"renkei.dev/internal/web"
	"renkei.dev/internal/web/accountapi"
	"renkei.dev/internal/web/look"
	"renkei.dev/internal/web/protocol"
	"renkei.dev/internal/web/screens"
)

// Institution is one institution's services.
type Institution struct {
	Settings config.Institution
	Store    *store.Institution
	Bank     corebank.Connector
	Engine   *oauth.Engine
	Linkage  *linkage.Service

	hosts []host
}

// institution builds the services of one institution over its part of the store.
func (a *App) institution(ctx context.Context, settings config.Institution, material config.InstitutionMaterial, box *secret.Box, ids *store.IDs) (*Institution, error) {
	bank, err := a.bank(ctx, settings)
	if err != nil {
		return nil, err
	}
	bank = a.metrics.Bank(settings.Name, bank)
	scoped := a.db.Institution(settings.Name)
	partners := &partnersKept{store: scoped, fresh: fresh(scoped, store.Partners), known: map[partner.ID]keptPartner{}}
	keys, err := a.keysOf(ctx, settings.Name, material.SigningKeys, scoped)
	if err != nil {
		return nil, err
	}
	engine, err := oauth.New(oauth.Config{
		Issuer: IssuerOf(settings, material, keys.Ring()), Keys: keys.Ring, Store: scoped, Partners: partners,
		NonceKey: box.Derive("dpop nonce " + settings.Name), PairwiseKey: material.IdentifierKey,
		CheckCertificate: partnerCertificates(material.PartnerCA), FetchKeys: protocol.FetchKeys(nil),
		Fresh: fresh(scoped, store.Clients), CheckCustomer: (&customersKept{bank: bank, now: a.cfg.Now}).Check,
		PushesPerMinute: settings.Limits.RequestsPerPartner,
		Now:             a.cfg.Now, NextID: ids.Next,
	})
	if err != nil {
		return nil, err
	}
	in := &Institution{Settings: settings, Store: scoped, Bank: bank, Engine: engine}
	in.Linkage = &linkage.Service{
		Institution: settings.Name, Key: material.IdentifierKey, Store: scoped, Bank: bank, Partners: partners,
		Protocol: protocolOf{engine}, Box: box, Rules: rulesOf(settings),
		Alias: func(p partner.ID, account corebank.AccountID) string {
			return partner.AccountAlias(material.IdentifierKey, p, settings.Name, account)
		},
		NextID: ids.Next, Now: a.cfg.Now,
	}
	return in, in.edges(a.cfg, a.metrics, material)
}

// fresh tells of rows of a kind for how long they may be kept in memory.
func fresh(s *store.Institution, k store.Kind) func() (still func() bool) {
	return func() func() bool { return s.Fresh(k) }
}

func rulesOf(s config.Institution) linkage.Rules {
	r := s.Rules
	return linkage.Rules{
		IdleFor: r.IdleFor, SessionFor: r.SessionFor, TotalFor: r.TotalFor, BankFor: r.BankFor,
		ConsentFor: r.ConsentFor, HistoryDays: r.HistoryDays, PINsKeptFor: r.PINsKeptFor,
		PINsOfColleague: r.PINsOfColleagues, GeneralMayNot: !r.GeneralUsersLink, AppliedWaits: r.AppliedWaits,
		SteppedUp: r.Risk.Used, CertificateHosts: len(s.Certificate.Origins), MaxAnswer: r.MaxAnswer,
		MaxPINTries: r.Login.PINs, Terms: r.Terms,
		Login: login.Rules{
			Password:    login.StopRule{Tries: r.Login.Passwords, First: r.Login.StopFor, Longest: r.Login.StopLongest},
			AnswerTries: r.Login.Answers, PerMinute: s.Limits.LoginsPerAddress,
			Risk: login.Weights{
				NewDevice: r.Risk.NewDevice, NewNetwork: r.Risk.NewNetwork, FirstPartner: r.Risk.FirstPartner,
				UnusualHour: r.Risk.UnusualHour, Hasty: r.Risk.Hasty, PerFailure: r.Risk.PerFailure,
				Flagged: r.Risk.Flagged, AsksFrom: r.Risk.AsksFrom,
			},
		},
	}
}

// edges puts handlers on the institution's hosts.
func (in *Institution) edges(cfg Config, meter *metrics.Metrics, m config.InstitutionMaterial) error {
	s := in.Settings
	log := cfg.Log.With("institution", s.Name)
	var brand fs.FS // nil: the plain brand
	if s.Brand != "" {
		brand = os.DirFS(string(s.Brand))
	}
	looks, err := look.New(brand)
	if err != nil {
		return err
	}
	pages, err := screens.New(screens.Options{
		Linkage: in.Linkage, Look: looks, Issuer: string(s.Login.Origin),
		CertificateHost: func(n int) string { return string(s.Certificate.Origins[n-1]) },
		Judge:           screens.JudgeBy(func() pki.Trust { return m.CustomerCA }, cfg.Now), Address: addressOf, Log: log,
	})
	if err != nil {
		return err
	}
	options := protocol.Options{
		Engine:    in.Engine,
		Start:     func(w http.ResponseWriter, r *http.Request, i oauth.Interaction) { pages.Start(w, r, askedOf(i)) },
		ErrorPage: refusedOn(pages),
		Began:     handlesOf(pages),
		SignedIn:  pages.SignedIn,
		Address:   func(r *http.Request) string { return addressOf(r).String() },
		Log:       log,
	}
	site := func(name string, o config.Origin) web.Site {
		return web.Site{
			Name: name, Hosts: []string{o.Host()}, Headers: web.Headers{HSTS: s.StrictTLSFor, Data: true}, TooSlow: 5 * time.Second,
			Seen: meter.Site(s.Name, name), Log: log,
		}
	}
	withPages := func(name string, o config.Origin) web.Site {
		w := site(name, o)
		w.Broken, w.Foreign, w.Lost = pages.Broken, pages.Foreign, pages.NotFound
		w.Headers.Data, w.Headers.Reports = false, reportsPath
		return w
	}
	login := withPages("login", s.Login.Origin)
	login.ForeignForms = []string{"POST " + string(oauth.AuthorizeEndpoint)} // a partner may post its request
	api := accountapi.Handler(accountapi.Options{
		Origin: string(s.API.Origin), Tokens: in.Engine, PINs: in.Linkage, Bank: in.Bank, Partners: in.Linkage.Partners, Alias: in.Linkage.Alias,
		Box: in.Linkage.Box, Denials: in.Store, Address: options.Address, Now: cfg.Now, Log: log,
	})
	// The suites of the profiles on offer hold for every endpoint of the protocol.
	held := func(c *tls.Config) *tls.Config { return c }
	if slices.Contains(s.Profiles, string(oauth.FAPI1Adv)) {
		held = pki.HeldToFAPI1
	}
	in.hosts = append(in.hosts,
		host{s.Name, s.Login.Origin, s.Login.Listen, "login", held(pki.ServerTLS(m.TLS...)), false, login.Wrap(loginMux(options, pages, log))},
		host{s.Name, s.API.Origin, s.API.Listen, "api", held(pki.PartnerTLS(m.TLS...)), false, site("api", s.API.Origin).Wrap(api)},
	)
	for _, o := range s.Certificate.Origins {
		w := withPages("certificate", o)
		w.Headers.Reports = "" // nothing but redirects
		in.hosts = append(in.hosts, host{s.Name, o, s.Certificate.Listen, "certificate", pki.CertificateHostTLS(m.CustomerCA.Authorities, m.TLS...), true,
			w.Wrap(pages.CertificateHandler())})
	}
	if s.MutualTLS != nil {
		w := site("mutual_tls", s.MutualTLS.Origin)
		w.Lost = http.NotFound
		in.hosts = append(in.hosts, host{s.Name, s.MutualTLS.Origin, s.MutualTLS.Listen, "mutual_tls", held(pki.PartnerTLS(m.TLS...)), false,
			w.Wrap(protocol.MutualTLSHandler(options))})
	}
	return nil
}

const reportsPath = "/reports"

// loginMux is what stands at the issuer's origin: the protocol's endpoints and,
// for everything else, the customers' pages, of which one says that there is
// nothing at an address.
func loginMux(o protocol.Options, pages *screens.Screens, log *slog.Logger) http.Handler {
	mux, issuer := http.NewServeMux(), protocol.Handler(o)
	for _, e := range []oauth.Endpoint{
		oauth.AuthorizeEndpoint, oauth.PAREndpoint, oauth.TokenEndpoint, oauth.RevokeEndpoint, oauth.IntrospectEndpoint,
		oauth.UserInfoEndpoint, oauth.GrantsEndpoint, oauth.GrantsEndpoint + "/", oauth.RegisterEndpoint, oauth.RegisterEndpoint + "/",
		oauth.KeySetEndpoint, oauth.ReasonsEndpoint + "/", "/.well-known/",
	} {
		mux.Handle(string(e), issuer)
	}
	mux.Handle(reportsPath, web.ReportHandler(log))
	mux.Handle("/", pages.Handler())
	return mux
}

func addressOf(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return address.Unmap()
}

// bank opens the connector that the settings name.
func (a *App) bank(ctx context.Context, s config.Institution) (corebank.Connector, error) {
	if a.cfg.Bank != nil {
		return a.cfg.Bank(s)
	}
	switch s.Connector.Kind {
	case "sandbox":
		b, err := sandbox.Open(ctx, sandbox.Config{File: string(s.Connector.File), Now: a.cfg.Now})
		if err != nil {
			return nil, err
		}
		a.closers = append(a.closers, b)
		return b, nil
	}
	return nil, fault.New(fault.Invalid, "there is no connector %q", s.Connector.Kind)
}
