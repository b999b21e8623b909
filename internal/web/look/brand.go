package look

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"regexp"
	"strconv"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/i18n"
)

// Text is a text of an institution's own in each language.
type Text map[i18n.Language]string

// In returns the text in a language, or in Japanese where it is not told.
func (t Text) In(l i18n.Language) string {
	if s := t[l]; s != "" {
		return s
	}
	return t[i18n.Japanese]
}

// Brand is how an institution presents itself.
type Brand struct {
	Name       Text       `json:"name"`
	Self       Text       `json:"self"`    // how it calls itself in a sentence: 当組合, 当行
	Service    Text       `json:"service"` // 法人インターネットバンキング
	Logo       string     `json:"logo"`    // a picture of the folder; empty: the name alone
	Colours    Colours    `json:"colours"`
	Contact    Contact    `json:"contact"`
	Complaints Complaints `json:"complaints"`
	Terms      Terms      `json:"terms"`
	Cancel     Text       `json:"cancel"`  // how a customer cancels a linkage
	Losses     Text       `json:"losses"`  // who bears losses, unless the partner's contract says so
	Renewal    Text       `json:"renewal"` // how a customer renews a certificate
}

// Contact is where customers ask for help.
type Contact struct {
	Desk  Text   `json:"desk"`
	Phone string `json:"phone"`
	Hours Text   `json:"hours"`
}

// Complaints is the sector's own desk for complaints.
type Complaints struct {
	Desk  Text   `json:"desk"`
	Phone string `json:"phone"`
}

// Terms are the terms of use of API linkage.
type Terms struct {
	Name Text   `json:"name"`
	URL  string `json:"url"` // empty: no link
}

// Colours are the few that a brand may choose, as #rrggbb. Everything else is
// the same at every bank.
type Colours struct {
	Main   string `json:"main"`   // the band at the top, the button that leads on, the steps done
	OnMain string `json:"onMain"` // words on Main
	Link   string `json:"link"`   // links and the second button, on white
	Tint   string `json:"tint"`   // a pale ground for what belongs together
}

// The least contrasts (WCAG 2.2 SC 1.4.3 and 1.4.11).
const (
	textContrast = 4.5
	partContrast = 3.0
)

var phone = regexp.MustCompile(`^[0-9][0-9-]{5,18}$`)

func readBrand(folder fs.FS) (*Brand, error) {
	text, err := fs.ReadFile(folder, "brand.json")
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "read the brand", err)
	}
	b := &Brand{}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(b); err != nil {
		return nil, fault.Wrap(fault.Invalid, "read brand.json", err)
	}
	if err := errors.Join(b.faults()...); err != nil {
		return nil, fault.Wrap(fault.Invalid, "read brand.json", err)
	}
	return b, nil
}

// faults returns everything that is wrong with a brand.
func (b *Brand) faults() []error {
	var all []error
	wrong := func(format string, args ...any) { all = append(all, fault.New(fault.Invalid, format, args...)) }
	for _, t := range []struct {
		path string
		text Text
	}{
		{"name", b.Name}, {"self", b.Self}, {"service", b.Service}, {"contact.desk", b.Contact.Desk},
		{"contact.hours", b.Contact.Hours}, {"complaints.desk", b.Complaints.Desk}, {"terms.name", b.Terms.Name},
		{"cancel", b.Cancel}, {"losses", b.Losses}, {"renewal", b.Renewal},
	} {
		for _, l := range i18n.Languages {
			if t.text[l] == "" {
				wrong("%s.%s is missing", t.path, l)
			}
		}
	}
	for path, number := range map[string]string{"contact.phone": b.Contact.Phone, "complaints.phone": b.Complaints.Phone} {
		if !phone.MatchString(number) {
			wrong("%s is not a telephone number", path)
		}
	}
	white := "#ffffff"
	for _, pair := range []struct {
		what, ink, ground string
		least             float64
	}{
		{"colours.onMain on colours.main", b.Colours.OnMain, b.Colours.Main, textContrast},
		{"colours.main on white", b.Colours.Main, white, partContrast},
		{"colours.link on white", b.Colours.Link, white, textContrast},
		{"colours.link on colours.tint", b.Colours.Link, b.Colours.Tint, textContrast},
		{"black words on colours.tint", ink, b.Colours.Tint, textContrast},
		{"grey words on colours.tint", greyInk, b.Colours.Tint, textContrast},
	} {
		c, err := contrast(pair.ink, pair.ground)
		switch {
		case err != nil:
			wrong("%s: %v", pair.what, err)
		case c < pair.least:
			wrong("%s: the contrast is %.2f, and must be at least %.1f", pair.what, c, pair.least)
		}
	}
	return all
}

// css is the brand's colours as custom properties.
func (b *Brand) css() []byte {
	return fmt.Appendf(nil, ":root{--main:%s;--on-main:%s;--link:%s;--tint:%s}\n",
		b.Colours.Main, b.Colours.OnMain, b.Colours.Link, b.Colours.Tint)
}

// contrast returns the contrast ratio of two colours (WCAG 2.2, "contrast ratio").
func contrast(a, b string) (float64, error) {
	la, err := luminance(a)
	if err != nil {
		return 0, err
	}
	lb, err := luminance(b)
	if err != nil {
		return 0, err
	}
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05), nil
}

var hexColour = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// luminance returns the relative luminance of a colour (WCAG 2.2).
func luminance(colour string) (float64, error) {
	if !hexColour.MatchString(colour) {
		return 0, fault.New(fault.Invalid, "%q is not a colour of the form #rrggbb", colour)
	}
	n, err := strconv.ParseUint(colour[1:], 16, 32)
	if err != nil {
		return 0, fault.Wrap(fault.Invalid, "read a colour", err)
	}
	channel := func(shift int) float64 {
		c := float64(n>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(16) + 0.7152*channel(8) + 0.0722*channel(0), nil
}
