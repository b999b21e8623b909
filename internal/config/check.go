package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// checker holds a decoded file against what must be so.
type checker struct {
	*decoder
	now time.Time

	origins map[Origin]string  // which setting has it
	listens map[Address]string // which kind of site listens there
	names   map[string]string
}

// faultAt adds a fault at the line of its path, or of the nearest group around
// it, unless the path has one: what could not be read is not judged as well.
func (c *checker) faultAt(path, format string, args ...any) {
	if slices.ContainsFunc(c.faults, func(f Fault) bool { return f.Path == path }) {
		return
	}
	line, at := c.lines[path], path
	for line == 0 && at != "" {
		at = at[:max(0, strings.LastIndexAny(at, ".["))]
		line = c.lines[at]
	}
	c.fault(path, line, format, args...)
}

var namePattern = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$`)

const day = 24 * time.Hour

func (c *checker) file(f *File) {
	c.origins, c.listens, c.names = map[Origin]string{}, map[Address]string{}, map[string]string{}
	c.database(f.Database)
	if len(f.SealingKeys) == 0 {
		c.faultAt("sealing_keys", "is missing: at least one key is needed")
	}
	for i, k := range f.SealingKeys {
		path := fmt.Sprintf("sealing_keys[%d]", i)
		if k.Number == 0 {
			c.faultAt(path+".number", "must be 1 or more")
		}
		if slices.ContainsFunc(f.SealingKeys[:i], func(other SealingKey) bool { return other.Number == k.Number }) {
			c.faultAt(path+".number", "stands twice")
		}
		c.needs(path+".file", k.File != "")
	}
	c.within("node", f.Node, 0, 1022) // the last one is of commands beside servers
	c.lasts("leave_for", f.LeaveFor, 0, 5*time.Minute)
	c.lasts("stop_within", f.StopWithin, time.Second, 5*time.Minute)
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, f.LogLevel) {
		c.faultAt("log_level", "must be debug, info, warn or error")
	}
	if f.Proxies != nil {
		c.proxies("proxies", f.Proxies)
	}
	if f.HSM != nil {
		c.needs("hsm.module", f.HSM.Module != "")
		c.needs("hsm.token", f.HSM.Token != "")
		c.needs("hsm.pin_file", f.HSM.PINFile != "")
	}
	if f.Admin != "" {
		c.listens[f.Admin] = "admin"
	}
	if len(f.Institutions) == 0 {
		c.faultAt("institutions", "is missing: at least one is needed")
	}
	for i := range f.Institutions {
		c.institution(fmt.Sprintf("institutions[%d]", i), &f.Institutions[i])
	}
}

func (c *checker) ocsp(path string, o *OCSP) {
	if o == nil {
		return
	}
	if u, err := url.Parse(o.Responder); o.Responder != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil) {
		c.faultAt(path+".responder", "must be an address such as http://ocsp.example.jp/")
	}
	c.lasts(path+".within", o.Within, 100*time.Millisecond, 10*time.Second)
	c.lasts(path+".max_age", o.MaxAge, 0, 30*day)
	if o.Unreachable != "refuse" && o.Unreachable != "accept" {
		c.faultAt(path+".unreachable", "must be refuse or accept")
	}
}

func (c *checker) proxies(path string, p *Proxies) {
	if len(p.Addresses) == 0 {
		c.faultAt(path+".addresses", "is missing: at least one address is needed")
	}
	for i, n := range p.Addresses {
		if n != "" && n.Prefix().Bits() == 0 {
			c.faultAt(fmt.Sprintf("%s.addresses[%d]", path, i), "holds every address there is; name the proxies' own")
		}
	}
	if len(p.Names) == 0 {
		c.faultAt(path+".names", "is missing: without names every certificate of the authority would be a proxy's")
	}
	for i, n := range p.Names {
		if n == "" || strings.ContainsAny(n, " /:*") {
			c.faultAt(fmt.Sprintf("%s.names[%d]", path, i), "must be a DNS name such as proxy1.example.jp")
		}
	}
	c.needs(path+".authority", p.Authority != "")
}

func (c *checker) database(d Database) {
	scheme, _, _ := strings.Cut(d.URL, ":")
	switch scheme {
	case "sqlite":
		if d.PasswordFile != "" || d.DirectURL != "" || d.Pooled || d.Serializable || d.Silent {
			c.faultAt("database", "has settings that are for PostgreSQL alone")
		}
		if !strings.HasPrefix(d.URL, "sqlite:/") {
			c.faultAt("database.url", "must name an absolute path, sqlite:/…")
		}
	case "postgres", "postgresql":
		c.withoutPassword("database.url", d.URL)
		if d.DirectURL != "" {
			c.withoutPassword("database.direct_url", d.DirectURL)
		}
	case "":
		c.faultAt("database.url", "is missing")
	default:
		c.faultAt("database.url", "must begin with sqlite: or postgres:")
	}
	c.within("database.max_conns", d.MaxConns, 0, 10000)
}

func (c *checker) withoutPassword(path, address string) {
	u, err := url.Parse(address)
	if err != nil {
		c.faultAt(path, "is not an address")
		return
	}
	if _, has := u.User.Password(); has || u.Query().Has("password") {
		c.faultAt(path, "holds a password; put it into a file and name that in database.password_file")
	}
}

func (c *checker) institution(path string, in *Institution) {
	if !namePattern.MatchString(in.Name) {
		c.faultAt(path+".name", "must be 1 to 40 of a-z, 0-9 and -, with - only inside")
	} else if other, taken := c.names[in.Name]; taken {
		c.faultAt(path+".name", "is the name of %s too", other)
	}
	c.names[in.Name] = path
	c.site(path+".login", "login", in.Login)
	c.site(path+".api", "api", in.API)
	if in.MutualTLS != nil {
		c.site(path+".mutual_tls", "mutual_tls", *in.MutualTLS)
	}
	if n := len(in.Certificate.Origins); n < 1 || n > 9 {
		c.faultAt(path+".certificate.origins", "must be 1 to 9 origins")
	}
	for i, o := range in.Certificate.Origins {
		c.origin(fmt.Sprintf("%s.certificate.origins[%d]", path, i), o)
	}
	c.listen(path+".certificate.listen", "certificate", in.Certificate.Listen)
	for _, required := range []struct {
		key string
		has bool
	}{
		{"tls", len(in.TLS) > 0}, {"identifier_key", in.IdentifierKey != ""},
		{"customer_ca.certificates", in.CustomerCA.Certificates != ""}, {"customer_ca.revoked", in.CustomerCA.Revoked != "" || in.CustomerCA.OCSP != nil},
		{"partner_ca.certificates", in.PartnerCA == nil || in.PartnerCA.Certificates != ""},
		{"brand", in.Brand != ""},
	} {
		c.needs(path+"."+required.key, required.has)
	}
	c.ocsp(path+".customer_ca.ocsp", in.CustomerCA.OCSP)
	if in.PartnerCA != nil {
		c.ocsp(path+".partner_ca.ocsp", in.PartnerCA.OCSP)
	}
	for i, k := range in.SigningKeys {
		at := fmt.Sprintf("%s.signing_keys[%d]", path, i)
		if !slices.Contains([]string{"next", "active", "retired"}, k.State) {
			c.faultAt(at+".state", "must be next, active or retired")
		}
		c.needs(at+".file", k.File != "")
		c.needs(at+".until", k.Until != "")
	}
	switch {
	case in.Connector.Kind != "sandbox":
		c.faultAt(path+".connector.kind", "must be sandbox")
	default:
		c.needs(path+".connector.file", in.Connector.File != "")
	}
	if in.SelfRegistration && in.Connector.Kind != "sandbox" {
		c.faultAt(path+".self_registration", "is for sandboxes alone: connector.kind must be sandbox")
	}
	if slices.Contains(in.Profiles, "fapi1_adv") && in.MutualTLS == nil {
		c.faultAt(path+".profiles", "names fapi1_adv, whose tokens are bound to certificates: it needs mutual_tls")
	}
	c.resourceServers(path, in)
	c.stepUp(path, in.StepUp)
	c.rules(path+".rules", in.Rules)
	c.lasts(path+".lifetimes.access_token", in.Lifetimes.AccessToken, time.Minute, time.Hour)
	c.lasts(path+".lifetimes.request", in.Lifetimes.Request, 30*time.Second, 599*time.Second)
	c.lasts(path+".lifetimes.code", in.Lifetimes.Code, 5*time.Second, time.Minute)
	c.lasts(path+".lifetimes.client_keys", in.Lifetimes.ClientKeys, 10*time.Second, 20*time.Minute)
	c.lasts(path+".lifetimes.key_set", in.Lifetimes.KeySet, time.Second, day)
	c.within(path+".limits.logins_per_address", in.Limits.LoginsPerAddress, 1, 1_000_000)
	c.within(path+".limits.requests_per_partner", in.Limits.RequestsPerPartner, 1, 1_000_000)
	c.lasts(path+".strict_tls_for", in.StrictTLSFor, 0, 3650*day)
	if len(in.Profiles) == 0 {
		c.faultAt(path+".profiles", "must name at least one of fapi2, fapi1_adv")
	}
	for i, p := range in.Profiles {
		if p != "fapi2" && p != "fapi1_adv" || slices.Contains(in.Profiles[:i], p) {
			c.faultAt(fmt.Sprintf("%s.profiles[%d]", path, i), "must be fapi2 or fapi1_adv, each once")
		}
	}
}

func (c *checker) rules(path string, r Rules) {
	c.lasts(path+".idle_for", r.IdleFor, 2*time.Minute, time.Hour)
	c.lasts(path+".total_for", r.TotalFor, r.IdleFor, 4*time.Hour)
	c.lasts(path+".session_for", r.SessionFor, 0, 12*time.Hour)
	c.lasts(path+".bank_for", r.BankFor, time.Second, 50*time.Second)
	c.lasts(path+".consent_for", r.ConsentFor, day, 365*day)
	c.within(path+".history_days", r.HistoryDays, 1, 3660)
	c.lasts(path+".pins_kept_for", r.PINsKeptFor, 0, 365*day)
	c.lasts(path+".consents_kept_for", r.ConsentsKeptFor, 365*day, 36500*day)
	c.within(path+".max_answer", r.MaxAnswer, 10, 20)
	c.needs(path+".terms", r.Terms != "")
	c.within(path+".login.passwords", r.Login.Passwords, 3, 10)
	c.within(path+".login.answers", r.Login.Answers, 1, 10)
	c.within(path+".login.pins", r.Login.PINs, 1, 3)
	c.lasts(path+".login.stop_for", r.Login.StopFor, time.Minute, day)
	c.lasts(path+".login.stop_longest", r.Login.StopLongest, r.Login.StopFor, day)
	for key, weight := range map[string]int{
		"asks_from": r.Risk.AsksFrom, "new_device": r.Risk.NewDevice, "new_network": r.Risk.NewNetwork,
		"first_partner": r.Risk.FirstPartner, "unusual_hour": r.Risk.UnusualHour, "hasty": r.Risk.Hasty,
		"per_failure": r.Risk.PerFailure, "flagged": r.Risk.Flagged,
	} {
		c.within(path+".risk."+key, weight, 0, 1000)
	}
	if r.Risk.Used && r.Risk.AsksFrom == 0 {
		c.faultAt(path+".risk.asks_from", "must be 1 or more where risk.used is true")
	}
}

func (c *checker) site(path, kind string, s Site) {
	c.origin(path+".origin", s.Origin)
	c.listen(path+".listen", kind, s.Listen)
}

func (c *checker) origin(path string, o Origin) {
	if o == "" {
		c.needs(path, false)
		return
	}
	if other, taken := c.origins[o]; taken {
		c.faultAt(path, "is the origin of %s too", other)
	}
	c.origins[o] = path
}

// listen lets sites share an address only where TLS asks the same of browsers.
func (c *checker) listen(path, kind string, a Address) {
	if a == "" {
		c.needs(path, false)
		return
	}
	if other, taken := c.listens[a]; taken && other != kind {
		c.faultAt(path, "is where %s listens; only sites of the same kind can share an address", other)
	}
	c.listens[a] = kind
}

// needs adds a fault for a setting that has no value, unless its value is there
// and was faulty.
func (c *checker) needs(path string, has bool) {
	if !has && c.lines[path] == 0 {
		c.faultAt(path, "is missing")
	}
}

func (c *checker) within(path string, n, least, most int) {
	if n < least || n > most {
		c.faultAt(path, "must be from %d to %d", least, most)
	}
}

func (c *checker) lasts(path string, d, least, most time.Duration) {
	if d < least || d > most {
		c.faultAt(path, "must be from %s to %s", formatDuration(least), formatDuration(most))
	}
}
