package config

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"renkei.dev/internal/corebank"
)

// File is everything that the file says, with today's behaviour where it says
// nothing.
type File struct {
	Database     Database      `key:"database"`
	SealingKeys  []SealingKey  `key:"sealing_keys"`
	Node         int           `key:"node"`        // 0 to 1022, another on every node
	Admin        Address       `key:"admin"`       // /livez, /readyz and /metrics, plain HTTP; empty: none
	LeaveFor     time.Duration `key:"leave_for"`   // how long /readyz says at a stop that no more requests are wanted, before they are refused
	StopWithin   time.Duration `key:"stop_within"` // then, how long running requests may finish
	LogLevel     string        `key:"log_level"`   // debug, info, warn or error
	Proxies      *Proxies      `key:"proxies"`     // machines before ours that end TLS; none: ours is the first
	HSM          *HSM          `key:"hsm"`         // where signing keys can lie that never leave it; none
	Institutions []Institution `key:"institutions"`
}

// HSM is a token that PKCS #11 leads to.
type HSM struct {
	Module  Path   `key:"module"` // the maker's library
	Token   string `key:"token"`  // the token's label
	PINFile Path   `key:"pin_file"`
}

// Default returns the settings of a file that says nothing of its own.
func Default() File {
	var f File
	f.defaults()
	return f
}

// DefaultInstitution is Default for one institution.
func DefaultInstitution() Institution {
	var i Institution
	i.defaults()
	return i
}

func (f *File) defaults() { f.StopWithin, f.LogLevel = 25*time.Second, "info" }

// Database says where everything is kept.
type Database struct {
	URL          string `key:"url"`           // sqlite:PATH or postgres://…, without a password
	PasswordFile Path   `key:"password_file"` // for PostgreSQL
	DirectURL    string `key:"direct_url"`    // around a pooler, for migrations
	Pooled       bool   `key:"pooled"`        // url leads through a pooler in transaction mode
	Serializable bool   `key:"serializable"`
	Silent       bool   `key:"silent"`      // no NOTIFY and LISTEN: for engines that do not know them
	MaxConns     int    `key:"max_conns"`   // 0: by the number of CPUs
	Checkpoints  string `key:"checkpoints"` // the file that the audit log's checkpoints are appended to; empty: none
}

// SealingKey is one key that columns and cookies are sealed with. The one with
// the highest number seals, all of them open.
type SealingKey struct {
	Number uint32 `key:"number"`
	File   Path   `key:"file"` // 32 bytes, base64
}

// Proxies are believed about who called (RFC 9440, RFC 7239), over mutual TLS of
// their own from an address of their own.
type Proxies struct {
	Addresses []Network `key:"addresses"`
	Authority Path      `key:"authority"` // PEM: who issued the certificates by which they prove themselves
	Names     []string  `key:"names"`     // DNS names, one of which such a certificate bears
}

// Institution is one bank or credit union, told apart by its origins.
type Institution struct {
	Name  string `key:"name"`  // in the database and the audit log; never changes
	Brand Path   `key:"brand"` // folder with name, logo, colours and contact

	Login       Site             `key:"login"`       // the issuer, and the customers' pages
	Certificate CertificateSites `key:"certificate"` // where browsers show certificates
	MutualTLS   *Site            `key:"mutual_tls"`  // endpoints for partners with certificates; none: not on offer
	API         Site             `key:"api"`
	TLS         []Pair           `key:"tls"` // for all names of the institution, chosen by name

	SigningKeys   []SigningKey  `key:"signing_keys"`   // of the issuer, beside those in the database (renkei key)
	IdentifierKey Path          `key:"identifier_key"` // makes the ids that partners know; never changes
	CustomerCA    Authority     `key:"customer_ca"`    // who issues certificates to customers
	PartnerCA     *Authority    `key:"partner_ca"`     // who issues certificates to partners; none: only self-signed ones
	Connector     Connector     `key:"connector"`      // the bank's own systems
	Rules         Rules         `key:"rules"`          // of journeys and logins
	Lifetimes     Lifetimes     `key:"lifetimes"`      // of what the issuer gives
	Limits        Limits        `key:"limits"`         // requests a minute
	StrictTLSFor  time.Duration `key:"strict_tls_for"` // how long browsers insist on TLS (HSTS)
	Profiles      []string      `key:"profiles"`       // on offer to partners, the default first

	SelfRegistration bool             `key:"self_registration"` // partners register clients by themselves, for sandboxes
	ResourceServers  []ResourceServer `key:"resource_servers"`  // other APIs of the bank's that tokens open
	StepUp           []StepUp         `key:"step_up"`           // what inquiries need of the login behind them
}

func (i *Institution) defaults() {
	i.StrictTLSFor = 365 * 24 * time.Hour
	i.Profiles = []string{"fapi2"}
	i.Rules.defaults()
	i.Lifetimes.defaults()
	i.Limits.defaults()
}

// Site is an origin and where we listen for it. Institutions may listen at the
// same address: they are told apart by name.
type Site struct {
	Origin Origin  `key:"origin"`
	Listen Address `key:"listen"`
}

// CertificateSites are the sibling names of the certificate host (rule 1).
type CertificateSites struct {
	Origins []Origin `key:"origins"` // 1 to 9
	Listen  Address  `key:"listen"`
}

// Pair is a certificate chain and its key, as PEM files.
type Pair struct {
	Certificate Path `key:"certificate"`
	Key         Path `key:"key"`
}

// SigningKey is one of the issuer's keys: P-256, RSA or Ed25519.
type SigningKey struct {
	File  Path   `key:"file"`  // PKCS #8, PEM
	State string `key:"state"` // active signs; next and retired are published alone
	Until Day    `key:"until"` // the last day on which it signs or, retired, is published
}

func (k *SigningKey) defaults() { k.State = "active" }

// Authority is a certificate authority and where it tells which certificates it
// revoked: in a list, at an OCSP responder, or both, which must agree then.
type Authority struct {
	Certificates  Path          `key:"certificates"`    // PEM
	Revoked       Path          `key:"revoked"`         // a CRL, PEM or DER; read again when it changes
	RevokedMaxAge time.Duration `key:"revoked_max_age"` // 0: as old as the list itself allows
	OCSP          *OCSP         `key:"ocsp"`            // none: no responder is asked
}

// OCSP is how an authority's responder is asked.
type OCSP struct {
	Responder   string        `key:"responder"`   // empty: the address that stands in each certificate
	Permitted   []Network     `key:"permitted"`   // networks beside the public ones where a responder may stand
	Within      time.Duration `key:"within"`      // how long one may take
	MaxAge      time.Duration `key:"max_age"`     // of an answer; 0: as it says itself
	Unreachable string        `key:"unreachable"` // refuse, or accept: then the list decides, if there is one
}

func (o *OCSP) defaults() { o.Within, o.Unreachable = 3*time.Second, "refuse" }

// Connector names the bank's own systems.
type Connector struct {
	Kind string `key:"kind"` // sandbox: a small bank in a file, for trying things out
	File Path   `key:"file"` // of the sandbox
}

// Rules are what the institution decides about journeys and logins.
type Rules struct {
	IdleFor          time.Duration `key:"idle_for"`
	TotalFor         time.Duration `key:"total_for"`
	SessionFor       time.Duration `key:"session_for"`
	BankFor          time.Duration `key:"bank_for"`
	ConsentFor       time.Duration `key:"consent_for"`
	HistoryDays      int           `key:"history_days"`
	PINsKeptFor      time.Duration `key:"pins_kept_for"`
	ConsentsKeptFor  time.Duration `key:"consents_kept_for"`
	PINsOfColleagues bool          `key:"pins_of_colleagues"`
	GeneralUsersLink bool          `key:"general_users_link"`
	AppliedWaits     bool          `key:"applied_waits"`
	MaxAnswer        int           `key:"max_answer"`
	Terms            string        `key:"terms"`
	Login            LoginRules    `key:"login"`
	Risk             RiskRules     `key:"risk"`
}

// LoginRules are the lock-outs of journey.md rule 9.
type LoginRules struct {
	Passwords   int           `key:"passwords"`
	Answers     int           `key:"answers"`
	PINs        int           `key:"pins"`
	StopFor     time.Duration `key:"stop_for"`
	StopLongest time.Duration `key:"stop_longest"`
}

// RiskRules are the weights of journey.md rule 2.
type RiskRules struct {
	Used         bool `key:"used"`
	AsksFrom     int  `key:"asks_from"`
	NewDevice    int  `key:"new_device"`
	NewNetwork   int  `key:"new_network"`
	FirstPartner int  `key:"first_partner"`
	UnusualHour  int  `key:"unusual_hour"`
	Hasty        int  `key:"hasty"`
	PerFailure   int  `key:"per_failure"`
	Flagged      int  `key:"flagged"`
}

func (r *Rules) defaults() {
	const day = 24 * time.Hour
	*r = Rules{
		IdleFor: 15 * time.Minute, TotalFor: time.Hour, BankFor: 20 * time.Second,
		ConsentFor: 90 * day, HistoryDays: 90, PINsKeptFor: 90 * day, ConsentsKeptFor: 3650 * day, PINsOfColleagues: true, GeneralUsersLink: true,
		MaxAnswer: 20, Terms: "1",
		Login: LoginRules{Passwords: 5, Answers: 3, PINs: 3, StopFor: 30 * time.Minute, StopLongest: day},
		Risk: RiskRules{Used: true, AsksFrom: 100, NewDevice: 20, NewNetwork: 20, FirstPartner: 20, UnusualHour: 20,
			Hasty: 30, PerFailure: 20, Flagged: 100},
	}
}

// Lifetimes are those of protocol.md §1.
type Lifetimes struct {
	AccessToken time.Duration `key:"access_token"`
	Request     time.Duration `key:"request"`
	Code        time.Duration `key:"code"`
	ClientKeys  time.Duration `key:"client_keys"`
	KeySet      time.Duration `key:"key_set"` // how long our published keys may be kept
}

func (l *Lifetimes) defaults() {
	*l = Lifetimes{AccessToken: 15 * time.Minute, Request: 300 * time.Second, Code: 60 * time.Second, ClientKeys: 5 * time.Minute, KeySet: 5 * time.Minute}
}

// Limits are requests a minute.
type Limits struct {
	LoginsPerAddress   int `key:"logins_per_address"`
	RequestsPerPartner int `key:"requests_per_partner"`
}

func (l *Limits) defaults() { *l = Limits{LoginsPerAddress: 30, RequestsPerPartner: 60} }

// Path is a file or folder; in the file it may be relative to the file's own folder.
type Path string

func (p *Path) parse(text string) error {
	if text == "" || strings.ContainsRune(text, 0) {
		return errors.New("must be a path")
	}
	*p = Path(text)
	return nil
}

func (p Path) from(folder string) Path {
	if p == "" || filepath.IsAbs(string(p)) {
		return p
	}
	return Path(filepath.Join(folder, string(p)))
}

// Day is a date in Japan; it is over with that day.
type Day string

func (d *Day) parse(text string) error {
	if _, err := time.Parse(time.DateOnly, text); err != nil {
		return errors.New("must be a day such as 2027-03-31")
	}
	*d = Day(text)
	return nil
}

// over returns the first instant after the day.
func (d Day) over() time.Time {
	t, err := time.ParseInLocation(time.DateOnly, string(d), corebank.Japan)
	if err != nil {
		return time.Time{}
	}
	return t.AddDate(0, 0, 1)
}

// Address is where a listener listens, host:port or :port.
type Address string

func (a *Address) parse(text string) error {
	if _, port, err := net.SplitHostPort(text); err != nil || port == "" {
		return errors.New("must be an address such as :443 or 127.0.0.1:9443")
	}
	*a = Address(text)
	return nil
}

// Network is an address or a range of them, such as 10.0.0.0/24.
type Network string

func (n *Network) parse(text string) error {
	prefix, err := netip.ParsePrefix(text)
	if a, single := netip.ParseAddr(text); err != nil && single == nil {
		prefix, err = netip.PrefixFrom(a, a.BitLen()), nil
	}
	if err != nil || prefix.Masked() != prefix || prefix.Addr().Is4In6() || prefix.Addr().Zone() != "" {
		return errors.New("must be an address or a range such as 10.1.2.3 or 10.1.2.0/24, without bits beyond it")
	}
	*n = Network(prefix.String())
	return nil
}

// Prefix returns the range.
func (n Network) Prefix() netip.Prefix {
	p, err := netip.ParsePrefix(string(n))
	if err != nil {
		return netip.Prefix{} // parse let none such through; it holds no address
	}
	return p
}

// Origin is an https origin, without a final slash.
type Origin string

func (o *Origin) parse(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" ||
		u.Host != strings.ToLower(u.Host) || u.Port() == "443" || "https://"+u.Host != text {
		return errors.New("must be an https origin such as https://link.example.jp, in lower case and without a path")
	}
	*o = Origin(text)
	return nil
}

// Host returns what a request's Host header says for the origin.
func (o Origin) Host() string { return strings.TrimPrefix(string(o), "https://") }

// Name returns the origin's host name, without a port.
func (o Origin) Name() string {
	name, _, err := net.SplitHostPort(o.Host())
	if err != nil {
		return o.Host()
	}
	return name
}
