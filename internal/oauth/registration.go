package oauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/partner"
)

const (
	maxMetadataBytes = 64 << 10
	maxRedirectURIs  = 20
	maxURLBytes      = 2000
	maxNameBytes     = 200
)

var clientIDPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// ParseClient reads a client's metadata (RFC 7591 §2) as the bank's staff wrote
// it, fills in the defaults of its profile and checks it against what the issuer
// offers. Errors: fault.Invalid with every fault at once, each on a line that
// begins with the name of the field; an unknown field is one.
func (i Issuer) ParseClient(p partner.ID, metadata []byte) (Client, error) {
	c, err := decodeClient(metadata, true)
	if err != nil {
		return Client{}, err
	}
	c.Partner, c.Registered = p, ByStaff
	if c.ID == "" {
		c.ID = ClientID(p)
	}
	return i.completed(c)
}

func decodeClient(metadata []byte, strict bool) (Client, error) {
	if len(metadata) > maxMetadataBytes || tooDeepOrTwice(metadata) {
		return Client{}, fault.New(fault.Invalid, "the client's metadata is too large, too deep, or names a field twice")
	}
	d := json.NewDecoder(bytes.NewReader(metadata))
	if strict {
		d.DisallowUnknownFields()
	}
	var c Client
	if err := d.Decode(&c); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
			return Client{}, MetadataFault{wrong.Field, "must not be a " + wrong.Value}
		}
		return Client{}, fault.Wrap(fault.Invalid, "read the client's metadata", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Client{}, fault.New(fault.Invalid, "read the client's metadata: something follows the object")
	}
	return c, nil
}

// completed fills in defaults and judges the whole registration.
func (i Issuer) completed(c Client) (Client, error) {
	if c.Profile == "" {
		c.Profile = i.Profiles[0]
	}
	if c.GrantTypes == nil {
		c.GrantTypes = []string{grantCode, grantRefresh}
	}
	figures, known := profiles[c.Profile]
	if !known || !slices.Contains(i.Profiles, c.Profile) {
		return Client{}, MetadataFault{"profile", "is not on offer: " + safeASCII(string(c.Profile))}
	}
	if c.ResponseTypes == nil && c.May(grantCode) {
		c.ResponseTypes = []string{figures.defaultResponseType}
	}
	if c.AuthMethod == "" {
		c.AuthMethod = PrivateKeyJWT
	}
	if !c.DPoPBound && !c.CertificateBound {
		c.DPoPBound = figures.bindings[0] == BoundByDPoP
		c.CertificateBound = !c.DPoPBound
	}
	if c.IDTokenSigningAlg == "" {
		c.IDTokenSigningAlg = i.Keys.Algorithms()[0]
	}
	if c.Scope == "" && c.May(grantCode) {
		c.Scope = userScopes().String()
	}
	if c.DetailsTypes == nil && c.May(grantCode) {
		c.DetailsTypes = []string{DetailsType}
	}
	r := registration{issuer: i, client: &c, figures: figures}
	for _, rule := range registrationRules {
		if rule.profiles.has(c.Profile) {
			rule.objects(&r)
		}
	}
	if len(r.faults) > 0 {
		return Client{}, errors.Join(r.faults...)
	}
	return c, nil
}

// registration gathers every fault of one client's metadata.
type registration struct {
	issuer  Issuer
	client  *Client
	figures figures
	faults  []error
}

func (r *registration) fault(field, sentence string) {
	r.faults = append(r.faults, MetadataFault{field, sentence})
}

// registrationRules all run; each adds what it objects to.
var registrationRules = []struct {
	clause   string
	profiles profileSet
	objects  func(*registration)
}{
	{"RFC 7591 §2", all, (*registration).identity},
	{"RFC 9700 §2.1, §4.1.3", all, (*registration).redirectURIs},
	{"RFC 7591 §2 grant_types, RFC 9700 §2.1.2, §2.4", all, (*registration).grantTypes},
	{"FAPI 2.0 SP §5.3.2.1; FAPI 1.0 Advanced §5.2.2", all, (*registration).responseTypes},
	{"FAPI 2.0 SP §5.3.2.1 (6)", all, (*registration).authentication},
	{"RFC 8705 §2.1.2", all, (*registration).certificateName},
	{"RFC 7517; RFC 7591 §2", all, (*registration).keys},
	{"FAPI 2.0 SP §5.3.2.1 (4); FAPI 1.0 Advanced §5.2.2-6", all, (*registration).senderConstraint},
	{"FAPI 2.0 SP §5.4.1", all, (*registration).algorithms},
	{"RFC 6749 §3.3; RFC 9396 §10", all, (*registration).scope},
	{"OpenID Connect Core §8", all, (*registration).subject},
}

func (r *registration) identity() {
	c := r.client
	if !clientIDPattern.MatchString(string(c.ID)) || strings.HasPrefix(string(c.ID), "sub_") || strings.HasPrefix(string(c.ID), serverPrefix) {
		r.fault("client_id", "must be 1 to 128 of A-Z, a-z, 0-9, . _ - and must not look like a customer's subject or a resource server")
	}
	// A name is shown to people: nothing that turns or hides text (security.md P30).
	if len(c.Name) > maxNameBytes || strings.ContainsFunc(c.Name, func(x rune) bool {
		return unicode.IsControl(x) || unicode.Is(unicode.Cf, x) || x == unicode.ReplacementChar || x == '<' || x == '>'
	}) {
		r.fault("client_name", "is too long or holds control or markup characters")
	}
	if _, err := time.Parse(time.DateOnly, c.SunsetOn); c.SunsetOn != "" && err != nil {
		r.fault("sunset_on", "must be a date such as 2027-03-31")
	}
}

func (r *registration) redirectURIs() {
	c := r.client
	if c.May(grantCode) == (len(c.RedirectURIs) == 0) {
		r.fault("redirect_uris", "must be there exactly when grant_types has authorization_code")
	}
	if len(c.RedirectURIs) > maxRedirectURIs {
		r.fault("redirect_uris", "are too many")
		return
	}
	for n, u := range c.RedirectURIs {
		if redirectURIFault(u) != "" || slices.Contains(c.RedirectURIs[:n], u) {
			r.fault("redirect_uris", redirectURIFault(u)+" or stands there twice: "+safeASCII(u))
		}
	}
}

// redirectURIFault says why an address cannot be a redirect URI; empty when it
// can. It is compared as a string ever after (RFC 9700 §4.1.3).
func redirectURIFault(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil, len(text) > maxURLBytes:
		return "is no address"
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\\\"<>*", r) }):
		return "holds characters that no redirect URI may hold"
	case u.Scheme != "https" || u.Host == "" || u.Opaque != "":
		return "is not https"
	case u.User != nil:
		return "names a user"
	case u.Fragment != "" || strings.Contains(text, "#"):
		return "has a fragment"
	case strings.Contains(u.Path, "/../") || strings.HasSuffix(u.Path, "/..") || strings.Contains(u.Path, "/./"):
		return "has dot segments"
	}
	for _, reserved := range []string{"code", "state", "iss", "error", "response"} {
		if u.Query().Has(reserved) {
			return "has a parameter of the response in its query"
		}
	}
	return ""
}

func (r *registration) grantTypes() {
	for _, g := range r.client.GrantTypes {
		if !slices.Contains([]string{grantCode, grantRefresh, grantClient}, g) {
			r.fault("grant_types", "names "+safeASCII(g)+"; known are authorization_code, refresh_token, client_credentials")
		}
	}
	if r.client.May(grantRefresh) && !r.client.May(grantCode) {
		r.fault("grant_types", "has refresh_token without authorization_code")
	}
}

func (r *registration) responseTypes() {
	for _, t := range r.client.ResponseTypes {
		if !slices.Contains(r.figures.responseTypes, t) {
			r.fault("response_types", "names "+safeASCII(t)+", which the profile does not know")
		}
	}
}

func (r *registration) authentication() {
	switch r.client.AuthMethod {
	case PrivateKeyJWT:
	case TLSClientAuth, SelfSignedAuth:
		if r.issuer.MutualTLSURL == "" {
			r.fault("token_endpoint_auth_method", "needs mutual TLS, which is not on offer")
		}
	default:
		r.fault("token_endpoint_auth_method", "must be private_key_jwt, tls_client_auth or self_signed_tls_client_auth")
	}
}

func (r *registration) certificateName() {
	c := r.client
	named := 0
	for _, n := range []string{c.TLSSubjectDN, c.TLSSANDNS, c.TLSSANURI, c.TLSSANIP, c.TLSSANEmail} {
		if n != "" {
			named++
		}
	}
	if c.AuthMethod == TLSClientAuth && named != 1 || c.AuthMethod != TLSClientAuth && named != 0 {
		r.fault("tls_client_auth_subject_dn", "or exactly one of its siblings goes with tls_client_auth, and with nothing else")
	}
	if _, err := parseDN(c.TLSSubjectDN); c.TLSSubjectDN != "" && err != nil {
		r.fault("tls_client_auth_subject_dn", "is not a distinguished name as RFC 4514 writes it")
	}
	if c.TLSSANIP != "" && net.ParseIP(c.TLSSANIP) == nil {
		r.fault("tls_client_auth_san_ip", "is not an address")
	}
	if a, err := mail.ParseAddress(c.TLSSANEmail); c.TLSSANEmail != "" && (err != nil || a.Address != c.TLSSANEmail) {
		r.fault("tls_client_auth_san_email", "is not a mail address")
	}
}

func (r *registration) senderConstraint() {
	c := r.client
	switch {
	case c.DPoPBound == c.CertificateBound:
		r.fault("dpop_bound_access_tokens", "or tls_client_certificate_bound_access_tokens: exactly one")
	case c.CertificateBound && r.issuer.MutualTLSURL == "":
		r.fault("tls_client_certificate_bound_access_tokens", "needs mutual TLS, which is not on offer")
	case c.DPoPBound && !slices.Contains(r.figures.bindings, BoundByDPoP):
		r.fault("dpop_bound_access_tokens", "is not for this profile")
	}
}

func (r *registration) algorithms() {
	c := r.client
	for _, a := range []struct{ field, alg string }{
		{"token_endpoint_auth_signing_alg", c.AuthSigningAlg},
		{"request_object_signing_alg", c.RequestSigningAlg},
		{"authorization_signed_response_alg", c.ResponseSigningAlg},
		{"id_token_signed_response_alg", c.IDTokenSigningAlg},
		{"userinfo_signed_response_alg", c.UserInfoSigningAlg},
		{"introspection_signed_response_alg", c.IntrospectionAlg},
	} {
		if a.alg != "" && !slices.Contains(r.figures.algorithms, a.alg) {
			r.fault(a.field, "must be one of "+strings.Join(r.figures.algorithms, ", "))
		}
	}
	// What we sign for it needs a key of ours.
	for _, a := range []struct{ field, alg string }{
		{"authorization_signed_response_alg", c.ResponseSigningAlg},
		{"id_token_signed_response_alg", c.IDTokenSigningAlg},
		{"userinfo_signed_response_alg", c.UserInfoSigningAlg},
		{"introspection_signed_response_alg", c.IntrospectionAlg},
	} {
		if a.alg != "" && !r.issuer.signs(a.alg) {
			r.fault(a.field, "is none that the issuer signs with")
		}
	}
	for _, a := range []struct {
		field, value string
		known        []string
	}{
		{"id_token_encrypted_response_alg", c.IDTokenKeyAlg, keyEncryptions},
		{"id_token_encrypted_response_enc", c.IDTokenContentAlg, contentEncryptions},
		{"userinfo_encrypted_response_alg", c.UserInfoKeyAlg, keyEncryptions},
		{"userinfo_encrypted_response_enc", c.UserInfoContentAlg, contentEncryptions},
	} {
		if a.value != "" && !slices.Contains(a.known, a.value) {
			r.fault(a.field, "must be one of "+strings.Join(a.known, ", "))
		}
	}
	if c.IDTokenContentAlg != "" && c.IDTokenKeyAlg == "" {
		r.fault("id_token_encrypted_response_enc", "goes with id_token_encrypted_response_alg")
	}
	if c.UserInfoContentAlg != "" && c.UserInfoKeyAlg == "" {
		r.fault("userinfo_encrypted_response_enc", "goes with userinfo_encrypted_response_alg")
	}
}

func (r *registration) scope() {
	c := r.client
	s, f := parseScope(c.Scope)
	if f != nil || s.beyond(append(userScopes(), ownScopes()...)) {
		r.fault("scope", "names what is not on offer")
	}
	for _, t := range c.DetailsTypes {
		if t != DetailsType {
			r.fault("authorization_details_types", "knows only "+DetailsType)
		}
	}
}

func (r *registration) subject() {
	if t := r.client.SubjectType; t != "" && t != "pairwise" {
		r.fault("subject_type", "must be pairwise")
	}
	if m := r.client.DefaultMaxAge; m != nil && *m < 0 {
		r.fault("default_max_age", "must not be negative")
	}
}

// safeASCII quotes what came from outside for a message.
func safeASCII(s string) string {
	if len(s) > 80 {
		s = s[:80]
	}
	return printable(s)
}

// printable keeps what may stand in an error_description (RFC 6749 §5.2).
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '?'
		}
		return r
	}, s)
}

// keys: by value or by address, never both (RFC 7591 §2), and of a kind that the
// client's way of authenticating needs.
func (r *registration) keys() {
	c := r.client
	switch {
	case len(c.JWKS) > 0 && c.JWKSURI != "":
		r.fault("jwks", "and jwks_uri exclude each other")
	case len(c.JWKS) == 0 && c.JWKSURI == "":
		if c.AuthMethod != TLSClientAuth || c.RequireSigned {
			r.fault("jwks", "or jwks_uri is missing")
		}
	case c.JWKSURI != "":
		u, err := url.Parse(c.JWKSURI)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || len(c.JWKSURI) > maxURLBytes {
			r.fault("jwks_uri", "must be an https address")
		}
	default:
		r.keysByValue()
	}
}

func (r *registration) keysByValue() {
	c := r.client
	known, err := parseKeys(c.JWKS, time.Time{})
	if err != nil {
		r.fault("jwks", "cannot be used: "+safeASCII(err.Error()))
		return
	}
	algorithms := algorithmsFor(c.AuthSigningAlg, r.figures)
	if c.AuthMethod == PrivateKeyJWT && !slices.ContainsFunc(algorithms, known.keys.Verifies) {
		r.fault("jwks", "holds no key that can sign an assertion")
	}
	if c.AuthMethod == SelfSignedAuth && len(known.certificates) == 0 {
		r.fault("jwks", "holds no certificate (x5c) for self_signed_tls_client_auth")
	}
	if c.IDTokenKeyAlg != "" && !known.keys.Encrypts(c.IDTokenKeyAlg) {
		r.fault("jwks", "holds no key with use enc for id_token_encrypted_response_alg")
	}
	if c.UserInfoKeyAlg != "" && !known.keys.Encrypts(c.UserInfoKeyAlg) {
		r.fault("jwks", "holds no key with use enc for userinfo_encrypted_response_alg")
	}
}
