package oauth

import (
	"net/url"
	"slices"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
)

// Issuer is one issuer of an institution as a value: addresses, what it offers,
// for how long, and its keys. Its metadata is made from it and says nothing else.
type Issuer struct {
	// Institution names the institution in pairwise subjects.
	Institution string
	// URL is the issuer identifier (RFC 8414 §2), an https origin without a final
	// slash. It is configured and never derived from a request.
	URL string
	// MutualTLSURL is the origin of the endpoints that ask for a partner's
	// certificate (RFC 8705 §5); empty: no mutual TLS on offer.
	MutualTLSURL string
	// APIs are the resource servers that tokens of this issuer open; the first is
	// the account API and stands where a request names none (RFC 8707).
	APIs []API
	// Profiles on offer, the default first.
	Profiles []Profile
	// ACRs are the authentication contexts that a login here can reach.
	ACRs []string
	// StepUp is what calls of business functions need of the login behind them.
	StepUp []StepUp
	// UILocales are the languages of the pages, e.g. "ja", "en".
	UILocales []string
	Lifetimes Lifetimes
	// SelfRegistration lets partners register and manage clients by themselves, with
	// an initial access token of the bank's (RFC 7591, RFC 7592): for sandboxes.
	SelfRegistration bool
	// Keys sign what the issuer gives; Config.Keys replaces them.
	Keys *jose.Ring
}

// Lifetimes are how long what the issuer gives may be used. Zero fields mean the
// defaults of DefaultLifetimes.
type Lifetimes struct {
	AccessTokenFor time.Duration
	RequestFor     time.Duration // request_uri; under 600 s (FAPI 2.0 SP §5.3.2.2)
	CodeFor        time.Duration // at most 60 s (FAPI 2.0 SP §5.3.2.1)
	// JourneyFor bounds how long after its own life a pushed request may still be
	// completed by a browser that began in time.
	JourneyFor time.Duration
	// KeysFor is how long fetched keys of a client count as fresh.
	KeysFor time.Duration
	// KeySetFor is how long our own published keys may be kept by who fetched
	// them; a key is published that long before it signs.
	KeySetFor time.Duration
}

// DefaultLifetimes are those of protocol.md §1 and journey.md rule 8.
var DefaultLifetimes = Lifetimes{
	AccessTokenFor: 15 * time.Minute,
	RequestFor:     300 * time.Second,
	CodeFor:        60 * time.Second,
	JourneyFor:     time.Hour,
	KeysFor:        5 * time.Minute,
	KeySetFor:      5 * time.Minute,
}

// Profile is a set of rules that a client is registered under.
type Profile string

// The profiles of the FAPI issuer.
const (
	FAPI2    Profile = "fapi2"     // FAPI 2.0 Security Profile and Message Signing, final
	FAPI1Adv Profile = "fapi1_adv" // FAPI 1.0 Advanced
)

// Endpoint is a path of the issuer's origin.
type Endpoint string

// The endpoints. Those that authenticate clients or look at certificates stand at
// the mutual-TLS origin under the same paths.
const (
	AuthorizeEndpoint  Endpoint = "/authorize"
	PAREndpoint        Endpoint = "/par"
	TokenEndpoint      Endpoint = "/token"
	RevokeEndpoint     Endpoint = "/revoke"
	IntrospectEndpoint Endpoint = "/introspect"
	UserInfoEndpoint   Endpoint = "/userinfo"
	GrantsEndpoint     Endpoint = "/grants"
	RegisterEndpoint   Endpoint = "/register"
	KeySetEndpoint     Endpoint = "/jwks"
	ReasonsEndpoint    Endpoint = "/reasons" // pages that error_uri leads to
)

// At returns the endpoint's address at the issuer's own origin.
func (i Issuer) At(e Endpoint) string { return i.URL + string(e) }

// AtMutualTLS returns the endpoint's address at the mutual-TLS origin.
func (i Issuer) AtMutualTLS(e Endpoint) string { return i.MutualTLSURL + string(e) }

func (i Issuer) lifetimes() Lifetimes {
	l := i.Lifetimes
	for _, f := range []struct{ set, def *time.Duration }{
		{&l.AccessTokenFor, &DefaultLifetimes.AccessTokenFor},
		{&l.RequestFor, &DefaultLifetimes.RequestFor},
		{&l.CodeFor, &DefaultLifetimes.CodeFor},
		{&l.JourneyFor, &DefaultLifetimes.JourneyFor},
		{&l.KeysFor, &DefaultLifetimes.KeysFor},
		{&l.KeySetFor, &DefaultLifetimes.KeySetFor},
	} {
		if *f.set == 0 {
			*f.set = *f.def
		}
	}
	return l
}

func (i Issuer) check() error {
	for _, address := range []string{i.URL, i.MutualTLSURL} {
		u, err := url.Parse(address)
		bad := err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != ""
		if bad && (address != "" || address == i.URL) {
			return fault.New(fault.Invalid, "issuer %q: %q is not an https origin", i.URL, address)
		}
	}
	if len(i.APIs) == 0 || len(i.Profiles) == 0 {
		return fault.New(fault.Invalid, "issuer %q: names no API or no profile", i.URL)
	}
	l := i.lifetimes()
	switch {
	case slices.Contains(i.Profiles, FAPI1Adv) && i.MutualTLSURL == "":
		return fault.New(fault.Invalid, "issuer %q: %s needs mutual TLS, to which its tokens are bound", i.URL, FAPI1Adv)
	case i.Keys == nil:
		return fault.New(fault.Invalid, "issuer %q: has no signing keys", i.URL)
	case l.CodeFor > time.Minute:
		return fault.New(fault.Invalid, "issuer %q: a code may live 60 s at most", i.URL)
	case l.RequestFor >= 600*time.Second:
		return fault.New(fault.Invalid, "issuer %q: a request_uri must live under 600 s", i.URL)
	case l.AccessTokenFor <= 0 || l.AccessTokenFor > time.Hour:
		return fault.New(fault.Invalid, "issuer %q: an access token may live an hour at most", i.URL)
	}
	return nil
}
