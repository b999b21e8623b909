package toolbox

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
)

// Client is a partner's software as it proves itself.
type Client struct {
	ID      string
	Key     crypto.Signer // of private_key_jwt; nil: it proves itself by its certificate
	KID     string        // empty: the key's thumbprint
	DPoPKey crypto.Signer // nil: tokens are not to be bound to a key
}

// Request is an authorization request to push.
type Request struct {
	Issuer    string
	Params    map[string]string // what the partner asks for; state, nonce and PKCE are made where they are missing
	Signed    bool              // as a signed request object (RFC 9101)
	MutualTLS bool              // at the mutual-TLS address
}

// Pushed is what came of it.
type Pushed struct {
	RequestURI   string `json:"request_uri"`
	ExpiresIn    int    `json:"expires_in"`
	AuthorizeURL string `json:"authorize_url"`
	State        string `json:"state"`
	Nonce        string `json:"nonce,omitempty"`
	Verifier     string `json:"code_verifier"` // of PKCE, for the token request
	JKT          string `json:"dpop_jkt,omitempty"`
}

// Push pushes a request (RFC 9126) and returns where to send the browser. A
// demand for a DPoP nonce is met. Errors: fault.Refused with what the server said;
// fault.Unavailable; fault.Invalid.
func Push(ctx context.Context, c *http.Client, who Client, r Request, now func() time.Time) (Pushed, error) {
	m, err := Discover(ctx, c, r.Issuer)
	if err != nil {
		return Pushed{}, err
	}
	endpoint := m.PAR
	if who.Key == nil || r.MutualTLS {
		endpoint = m.Aliases.PAR
	}
	if endpoint == "" {
		return Pushed{}, fault.New(fault.Invalid, "%s offers no such endpoint for pushed requests", m.Issuer)
	}
	out := Pushed{State: made(r.Params, "state"), Verifier: secret.Random(32).Reveal()}
	params := maps.Clone(r.Params)
	params["client_id"], params["state"] = who.ID, out.State
	if params["response_type"] == "" {
		params["response_type"] = "code"
	}
	if strings.Contains(" "+params["scope"]+" ", " openid ") {
		out.Nonce = made(r.Params, "nonce")
		params["nonce"] = out.Nonce
	}
	sum := sha256.Sum256([]byte(out.Verifier))
	params["code_challenge"], params["code_challenge_method"] = base64.RawURLEncoding.EncodeToString(sum[:]), "S256"
	nonce := ""
	for range 2 {
		form, err := who.form(r, m, params, now())
		if err != nil {
			return Pushed{}, err
		}
		answer, body, err := who.post(ctx, c, endpoint, form, nonce, now())
		if err != nil {
			return Pushed{}, err
		}
		if answer.StatusCode == http.StatusCreated {
			return out.read(body, m, who)
		}
		said := refusal(answer, body)
		if nonce != "" || said.Code != "use_dpop_nonce" || answer.Header.Get("DPoP-Nonce") == "" {
			return Pushed{}, said.fault(endpoint, answer.Status)
		}
		nonce = answer.Header.Get("DPoP-Nonce")
	}
	return Pushed{}, fault.New(fault.Refused, "%s asks for one nonce after the other", endpoint)
}

func made(params map[string]string, name string) string {
	if v := params[name]; v != "" {
		return v
	}
	return secret.Random(16).Reveal()
}

// form is the request with the client's authentication.
func (who Client) form(r Request, m Metadata, params map[string]string, now time.Time) (url.Values, error) {
	form := url.Values{}
	if r.Signed {
		if who.Key == nil {
			return nil, fault.New(fault.Invalid, "a request is signed with the client's key: name it with --key")
		}
		s, err := signerOf(who.Key, who.KID)
		if err != nil {
			return nil, err
		}
		object, err := requestObject(s, who.ID, m.Issuer, params, now)
		if err != nil {
			return nil, err
		}
		form.Set("request", object)
	} else {
		for name, value := range params {
			form.Set(name, value)
		}
	}
	form.Set("client_id", who.ID)
	if who.Key == nil {
		return form, nil
	}
	assertion, err := Assertion(who.Key, who.KID, who.ID, m.Issuer, time.Minute, now)
	if err != nil {
		return nil, err
	}
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", assertion.Reveal())
	return form, nil
}

func (who Client) post(ctx context.Context, c *http.Client, endpoint string, form url.Values, nonce string, now time.Time) (*http.Response, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, nil, fault.New(fault.Invalid, "%q is not an address", endpoint)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	if who.DPoPKey != nil {
		proof, err := Proof(who.DPoPKey, Use{Method: http.MethodPost, URL: endpoint, Nonce: nonce}, now)
		if err != nil {
			return nil, nil, err
		}
		r.Header.Set("DPoP", proof.Reveal())
	}
	return do(c, r)
}

func (p Pushed) read(body []byte, m Metadata, who Client) (Pushed, error) {
	if err := json.Unmarshal(body, &p); err != nil || p.RequestURI == "" {
		return Pushed{}, fault.New(fault.Unavailable, "the server took the request and named no request_uri")
	}
	p.AuthorizeURL = m.Authorize + "?" + url.Values{"client_id": {who.ID}, "request_uri": {p.RequestURI}}.Encode()
	if who.DPoPKey != nil {
		var err error
		if p.JKT, err = thumbprint(who.DPoPKey); err != nil {
			return Pushed{}, err
		}
	}
	return p, nil
}

// said is a server's error (RFC 6749 §5.2).
type said struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

func refusal(answer *http.Response, body []byte) said {
	var s said
	if json.Unmarshal(body, &s) != nil || s.Code == "" {
		s.Code = answer.Status
	}
	return s
}

// hints say what to look at for the refusals that engineers meet most.
var hints = map[string]string{
	"invalid_client":         "is the client registered with the public half of this key, under this kid, and is the clock right?",
	"unauthorized_client":    "the client proved itself, and may not act now: ask the bank",
	"invalid_request":        "a parameter is missing or not permitted for this client",
	"invalid_request_object": "the server wants a signed request, or not this one; see --sign",
	"invalid_scope":          "a scope is not in the client's registration",
	"invalid_dpop_proof":     "name the key of the client's DPoP proofs with --dpop-key, or leave it out where tokens are bound to certificates",
}

func (s said) fault(endpoint, status string) error {
	text := s.Code
	if s.Description != "" {
		text += ": " + s.Description
	}
	if hint := hints[s.Code]; hint != "" {
		text += "\n(" + hint + ")"
	}
	return fault.New(fault.Refused, "%s answers %s: %s", endpoint, status, text)
}
