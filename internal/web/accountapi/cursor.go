package accountapi

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"renkei.dev/internal/corebank"
)

// cursorFor is how long a page's successor can be asked for.
const cursorFor = 24 * time.Hour

// cursor is where a page ends. It is sealed for one client, account and function.
type cursor struct {
	Function corebank.BusinessFunction `json:"-"`
	From     corebank.Date             `json:"f"`
	To       corebank.Date             `json:"t"`
	After    string                    `json:"a"` // the bank's own cursor
	At       int64                     `json:"s"` // when it was given, unix seconds
}

func (c *call) place(f corebank.BusinessFunction) []string {
	return []string{"account api cursor", string(c.access.Client), string(c.account), string(f)}
}

func (c *call) seal(k cursor) string {
	plain, err := json.Marshal(k)
	if err != nil {
		panic(err) // strings and a number always marshal
	}
	return base64.RawURLEncoding.EncodeToString(c.Box.Seal(plain, c.place(k.Function)...))
}

func (c *call) openCursor(text string, f corebank.BusinessFunction) (cursor, error) {
	var k cursor
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(text) > 2048 || strings.ContainsAny(text, "\r\n") { // which the decoder would skip
		return k, problem{code: "invalid_request", detail: "the cursor is not one of this call's"}
	}
	plain, err := c.Box.Open(sealed, c.place(f)...)
	if err != nil || json.Unmarshal(plain, &k) != nil {
		return k, problem{code: "invalid_request", detail: "the cursor is not one of this call's"}
	}
	// A consent that was narrowed meanwhile is not outlived by a cursor; the day
	// that goes by while a partner pages is.
	dayBefore := corebank.DateOf(c.now.AddDate(0, 0, -c.access.Extent.HistoryDays-1))
	if c.now.Sub(time.Unix(k.At, 0)) > cursorFor || k.From < dayBefore {
		return k, problem{code: "cursor_expired"}
	}
	return k, nil
}
