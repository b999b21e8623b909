package service

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// message is one exchange with the bank, taken apart for people. What is secret
// in it was cut when it was recorded, so that not even the sealed row holds it.
type message struct {
	at     time.Time
	Step   string `json:"step"`
	Front  bool   `json:"front,omitempty"` // through the browser, not from server to server
	Method string `json:"method"`
	URL    string `json:"url"`
	Status int    `json:"status,omitempty"` // 0: no answer came
	Took   int64  `json:"took,omitempty"`   // milliseconds
	Sent   part   `json:"sent"`
	Got    part   `json:"got"`
}

// part is one direction of a message.
type part struct {
	Headers []field `json:"headers,omitempty"`
	Fields  []field `json:"fields,omitempty"` // form or query
	JSON    string  `json:"json,omitempty"`
	Tokens  []token `json:"tokens,omitempty"` // JWTs that were in it, decoded
}

func (p part) empty() bool {
	return len(p.Headers) == 0 && len(p.Fields) == 0 && p.JSON == "" && len(p.Tokens) == 0
}

type field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// token is a JWT as it can be read by anyone; its signature is left out.
type token struct {
	Name   string `json:"name"`
	Header string `json:"header"`
	Claims string `json:"claims"`
}

// cut are the fields whose values open something.
var cut = []string{
	"code", "code_verifier", "access_token", "refresh_token", "id_token", "token", "client_assertion", "client_secret",
	"request_uri", "state", "nextCursor", "cursor",
}

// shown are the headers worth reading.
var shown = []string{
	"Authorization", "Content-Type", "Dpop", "Dpop-Nonce", "Www-Authenticate", "X-Fapi-Interaction-Id", "Retry-After", "Cache-Control", "Location",
}

// recorder keeps what goes over the wire. It stands at the transport, below
// everything that could forget to record.
type recorder struct {
	bank *bank
	step string
	next http.RoundTripper
}

// RoundTrip sends the request and keeps both sides of the exchange.
func (r recorder) RoundTrip(q *http.Request) (*http.Response, error) {
	m := message{Step: r.step, Method: q.Method, URL: q.URL.Scheme + "://" + q.URL.Host + q.URL.Path}
	m.Sent.headers(q.Header)
	m.Sent.Fields = fieldsOf(q.URL.Query(), &m.Sent)
	if q.GetBody != nil {
		if body, err := q.GetBody(); err == nil {
			if raw, err := io.ReadAll(body); err == nil {
				m.Sent.body(q.Header.Get("Content-Type"), raw)
			}
		}
	}
	begun := time.Now()
	res, err := r.next.RoundTrip(q)
	m.Took = time.Since(begun).Milliseconds()
	if err == nil {
		raw, readErr := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
		if closeErr := res.Body.Close(); readErr == nil {
			readErr = closeErr
		}
		if readErr != nil {
			return nil, readErr
		}
		res.Body = io.NopCloser(bytes.NewReader(raw))
		m.Status = res.StatusCode
		m.Got.headers(res.Header)
		m.Got.body(res.Header.Get("Content-Type"), raw)
	}
	r.bank.record(q.Context(), m)
	return res, err
}

// recordFront keeps a message that goes through the browser, as far as its
// address tells.
func (b *bank) recordFront(ctx context.Context, step, address string) {
	u, err := url.Parse(address)
	if err != nil {
		return
	}
	m := message{Step: step, Front: true, Method: http.MethodGet, URL: u.Scheme + "://" + u.Host + u.Path}
	m.Sent.Fields = fieldsOf(u.Query(), &m.Sent)
	b.record(ctx, m)
}

// record never stops what it records: a message that cannot be kept is logged.
func (b *bank) record(ctx context.Context, m message) {
	if err := b.s.keep.addMessage(context.WithoutCancel(ctx), b.session, m); err != nil {
		b.s.config.Log.WarnContext(ctx, "a message was not recorded", "step", m.Step, "why", err.Error())
	}
}

func (p *part) headers(h http.Header) {
	for _, name := range shown {
		for _, value := range h.Values(name) {
			switch name {
			case "Authorization":
				scheme, rest, _ := strings.Cut(value, " ")
				value = scheme + " " + mask(rest)
			case "Dpop":
				name = "DPoP"
				value = p.token(name, value)
			}
			p.Headers = append(p.Headers, field{name, clip(value)})
		}
	}
}

func (p *part) body(contentType string, raw []byte) {
	switch kind, _, _ := strings.Cut(contentType, ";"); {
	case len(raw) == 0:
	case kind == "application/x-www-form-urlencoded":
		if form, err := url.ParseQuery(string(raw)); err == nil {
			p.Fields = append(p.Fields, fieldsOf(form, p)...)
		}
	case strings.HasSuffix(kind, "json"):
		p.JSON = prettyJSON(raw, true)
	default:
		p.Fields = append(p.Fields, field{kind, fmt.Sprintf("%d bytes", len(raw))})
	}
}

// fieldsOf lists parameters in the order of their names.
func fieldsOf(form url.Values, p *part) []field {
	var names []string
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	var out []field
	for _, name := range names {
		for _, value := range form[name] {
			switch {
			case name == "client_assertion":
				value = p.token(name, value)
			case slices.Contains(cut, name):
				value = mask(value)
			case name == "authorization_details":
				value = prettyJSON([]byte(value), false)
			}
			out = append(out, field{name, clip(value)})
		}
	}
	return out
}

// token decodes a JWT beside the field that holds it and returns what stands in
// the field's place.
func (p *part) token(name, compact string) string {
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		return mask(compact)
	}
	header, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		return mask(compact)
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return mask(compact)
	}
	p.Tokens = append(p.Tokens, token{name, prettyJSON(header, false), prettyJSON(claims, false)})
	return mask(compact)
}

// mask leaves enough of a value to tell two apart and too little to use it.
func mask(value string) string {
	const visible = 6
	if len(value) < 4*visible {
		return "…"
	}
	return value[:visible] + "…"
}

const maxShown = 16 << 10

func clip(value string) string {
	if !utf8.ValidString(value) {
		return "…"
	}
	if len(value) > maxShown {
		return strings.ToValidUTF8(value[:maxShown], "") + "…"
	}
	return value
}

// prettyJSON writes JSON for reading; with cutting the values of cut fields are
// masked wherever they stand. What is not JSON is not shown.
func prettyJSON(raw []byte, cutting bool) string {
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return "…"
	}
	if cutting {
		v = masked(v)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return "…"
	}
	return clip(strings.TrimSpace(out.String()))
}

func masked(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			if text, ok := value.(string); ok && slices.Contains(cut, name) {
				v[name] = mask(text)
			} else {
				v[name] = masked(value)
			}
		}
	case []any:
		for i := range v {
			v[i] = masked(v[i])
		}
	}
	return v
}
