package accountapi

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/oauth"
)

const interactionID = "X-Fapi-Interaction-Id"

// call is one call while it is answered.
type call struct {
	*api
	w         http.ResponseWriter
	r         *http.Request
	requestID string
	now       time.Time
	query     url.Values
	access    oauth.Access
	alias     string // the account in the path; empty: none
	account   corebank.AccountID
	known     *view // what the bank says of the user; nil: it was not asked yet
}

// user asks the bank for the user once a call, however slow it is.
func (c *call) user() (*view, error) {
	if c.known == nil {
		v, err := c.bank.view(c.r.Context(), c.access.User)
		if err != nil {
			return nil, err
		}
		c.known = v
	}
	return c.known, nil
}

// Values of headers that never change. Who adds to one copies it.
var (
	noStore = []string{"no-store"}
	noSniff = []string{"nosniff"}
	isJSON  = []string{"application/json"}
)

// headers are those of every answer (FAPI 2.0 Security Profile §5.3.4, RFC 9449
// §8.2). Date is net/http's.
func (c *call) headers() {
	h := c.w.Header()
	own := [...]string{c.Tokens.ResourceNonce(), c.requestID, c.requestID}
	if given := c.r.Header[interactionID]; len(given) == 1 && isUUID(given[0]) {
		own[1] = given[0]
	}
	// By their canonical names: Set would spell them anew each time.
	h["Cache-Control"], h["X-Content-Type-Options"] = noStore[:1:1], noSniff[:1:1]
	h["Dpop-Nonce"], h[interactionID], h["X-Request-Id"] = own[0:1:1], own[1:2:2], own[2:3:3]
}

// open judges the token and its proof, and that the customer's consent still
// reaches the functions that the call needs, or that the token is the client's own
// where the call is about the client.
func (c *call) open(r route) error {
	var err error
	if c.r.URL.RawQuery != "" {
		if c.query, err = url.ParseQuery(c.r.URL.RawQuery); err != nil || len(c.query) > 8 {
			return problem{code: "invalid_request", detail: "the query cannot be read"}
		}
	}
	request := oauth.AccessRequest{
		Authorization:  c.r.Header["Authorization"],
		Proofs:         c.r.Header["Dpop"],
		Method:         c.r.Method,
		Target:         c.Origin + c.r.URL.Path,
		TokenElsewhere: c.query.Has("access_token"),
		Audience:       c.Origin,
		Functions:      r.needs,
		Scope:          r.own,
	}
	if c.r.TLS != nil && len(c.r.TLS.PeerCertificates) > 0 {
		request.Certificate = c.r.TLS.PeerCertificates[0]
	}
	if c.Address != nil {
		request.Address = c.Address(c.r)
	}
	if c.access, err = c.Tokens.Access(c.r.Context(), request); err != nil {
		return err
	}
	switch own := c.access.User == ""; {
	case own && r.own == "": // there is no customer whose accounts it could read
		return c.denied(problem{code: "insufficient_scope", detail: "the token is not a customer's"})
	case !own && r.own != "":
		return c.denied(problem{code: "insufficient_scope", detail: "the token is not the client's own"})
	}
	return nil
}

// choose finds the account in the path among those of the consent, and that the
// user may still inquire about it.
func (c *call) choose(alias string) error {
	if alias == "" {
		return nil
	}
	c.alias = alias
	for _, account := range c.access.Extent.Accounts {
		if c.aliases.of(c.access.Partner, account) == alias {
			c.account = account
			break
		}
	}
	if c.account == "" {
		return c.denied(problem{code: "account_not_in_consent"})
	}
	known, err := c.user()
	if err != nil {
		return err
	}
	if err := c.permitted(known); err != nil {
		return err
	}
	i := slices.IndexFunc(known.accounts, func(a corebank.Account) bool { return a.ID == c.account })
	switch {
	case i < 0:
		return c.denied(problem{code: "permission_removed"})
	case known.accounts[i].Closed:
		return problem{code: "account_closed"}
	}
	return nil
}

// permitted tells whether the bank still lets the user in.
func (c *call) permitted(known *view) error {
	switch known.user.Standing {
	case corebank.Stopped:
		return c.denied(problem{code: "user_stopped"})
	case corebank.ContractEnded:
		return c.denied(problem{code: "service_contract_ended"})
	}
	return nil
}

// may tells whether the bank still lets the user use a function.
func (c *call) may(f corebank.BusinessFunction) error {
	known, err := c.user()
	if err != nil {
		return err
	}
	for _, r := range known.rights {
		if r.Function == f && r.Permitted {
			return nil
		}
	}
	return c.denied(problem{code: "permission_removed"})
}

// ask lends the account's PIN to one call of the bank for a function.
func (c *call) ask(f corebank.BusinessFunction, inquire func(context.Context, corebank.InquiryPIN) error) error {
	if err := c.may(f); err != nil {
		return err
	}
	return c.PINs.UsePIN(c.r.Context(), c.access.User, c.account, inquire)
}

// denied records that a partner was refused what a customer or the bank does not
// give it, and returns what to answer with.
func (c *call) denied(p problem) error {
	act := audit.Act{
		Name: DeniedName, At: c.now.UTC(), Outcome: audit.Denied, Reason: p.code,
		Actor:  audit.Actor{Kind: audit.Partner, ID: string(c.access.Client), Company: string(c.access.Company)},
		Object: c.access.Consent, Partner: string(c.access.Partner),
		Detail: map[string]string{"request": c.requestID, "path": c.r.URL.Path},
	}
	if c.Address != nil {
		act.Address = c.Address(c.r)
	}
	if err := c.Denials.Commit(c.r.Context(), audit.Denial{Denied: act}); err != nil {
		return fault.Wrap(fault.Unavailable, "record a refusal", err)
	}
	return p
}

// DeniedName is the act of refusing a call whose token is good.
const DeniedName audit.Name = "api.denied"

func (c *call) write(status int, kind string, body any) {
	raw, err := json.Marshal(body)
	if err != nil {
		c.Log.ErrorContext(c.r.Context(), "an answer cannot be written", "request", c.requestID, "why", err.Error())
		http.Error(c.w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	if kind == isJSON[0] {
		c.w.Header()["Content-Type"] = isJSON[:1:1]
	} else {
		c.w.Header().Set("Content-Type", kind)
	}
	c.w.WriteHeader(status)
	_, _ = c.w.Write(raw) // who hung up is not told
}

// newUUID returns a random UUID (RFC 9562 §5.4).
func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	var text [36]byte
	for i, part := range [...][]byte{b[:4], b[4:6], b[6:8], b[8:10], b[10:]} {
		at := [...]int{0, 9, 14, 19, 24}[i]
		if i > 0 {
			text[at-1] = '-'
		}
		hex.Encode(text[at:], part)
	}
	return string(text[:])
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, r := range s {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (r == '-') || !dash && !strings.ContainsRune("0123456789abcdefABCDEF", r) {
			return false
		}
	}
	return true
}
