package partner

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/mail"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
)

const (
	maxText        = 200 // characters of any one text: it has to fit on the consent page
	maxConsentDays = 365 // journey.md rule 10
	maxHistoryDays = 3660
)

var idPattern = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$`)

// metadataFile is the file by which the bank's staff register a partner together
// with its first client.
type metadataFile struct {
	Partner json.RawMessage `json:"partner"`
	Client  json.RawMessage `json:"client"`
}

// Metadata is a partner as it stands in that file.
type Metadata struct {
	ID                 string          `json:"id"`
	Service            string          `json:"service"`
	Corporation        string          `json:"corporation"`
	RegistrationNumber string          `json:"registration_number"`
	Contact            MetadataContact `json:"contact"`
	ChainedService     string          `json:"chained_service,omitempty"`
	LossSharing        string          `json:"loss_sharing,omitempty"`
	LogoFile           string          `json:"logo_file,omitempty"`
	Functions          []string        `json:"functions"`
	RequiredFunctions  []string        `json:"required_functions,omitempty"`
	ChoosesFunctions   bool            `json:"chooses_functions,omitempty"`
	ConsentDays        int             `json:"consent_days,omitempty"`
	HistoryDays        int             `json:"history_days,omitempty"`
	ContractFrom       string          `json:"contract_from"`
	ContractUntil      string          `json:"contract_until,omitempty"` // its last day
}

// MetadataContact is a Contact as it stands in that file.
type MetadataContact struct {
	Desk  string `json:"desk"`
	Phone string `json:"phone"`
	Mail  string `json:"mail,omitempty"`
	URL   string `json:"url,omitempty"`
}

// Metadata returns what ParseMetadata made the partner of.
func (p Partner) Metadata() Metadata {
	m := Metadata{
		ID: string(p.ID), Service: p.Service, Corporation: p.Corporation, RegistrationNumber: p.RegistrationNumber,
		Contact:        MetadataContact(p.Contact),
		ChainedService: p.ChainedService, LossSharing: p.LossSharing, LogoFile: p.LogoFile,
		Functions: words(p.Functions), RequiredFunctions: words(p.Required), ChoosesFunctions: p.ChoosesFunctions,
		ConsentDays: int(p.ConsentFor / (24 * time.Hour)), HistoryDays: p.HistoryDays,
		ContractFrom: string(corebank.DateOf(p.ContractFrom)),
	}
	if !p.ContractUntil.IsZero() {
		m.ContractUntil = string(corebank.DateOf(p.ContractUntil.Add(-time.Nanosecond)))
	}
	return m
}

func words(functions []corebank.BusinessFunction) []string {
	all := make([]string, len(functions))
	for i, f := range functions {
		all[i] = string(f)
	}
	return all
}

// ParseMetadata reads a partner and, untouched, the metadata of its client
// (RFC 7591), whose judge is the OAuth engine. The partner stands Active.
// Errors: fault.Invalid; every fault of the partner's half at once, each on a
// line that begins with its path. The client's half comes beside them, where there
// is one, so that its faults can be told with them.
func ParseMetadata(data []byte) (Partner, json.RawMessage, error) {
	var f metadataFile
	if err := decode(data, &f); err != nil {
		return Partner{}, nil, fault.Wrap(fault.Invalid, "read the partner's metadata", err)
	}
	var p Partner
	var m Metadata
	c := checker{}
	if len(f.Partner) == 0 {
		c.fault("partner", "is missing")
	} else if err := decode(f.Partner, &m); err != nil {
		c.fault("partner", "cannot be read: "+err.Error())
	} else {
		p = c.partner(m)
	}
	if bytes.Equal(f.Client, []byte("null")) {
		f.Client = nil
	}
	if len(f.Client) == 0 {
		c.fault("client", "is missing")
	}
	if len(c.faults) > 0 {
		return Partner{}, f.Client, errors.Join(c.faults...)
	}
	return p, f.Client, nil
}

// decode reads one object without keys that it does not know.
func decode(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the object")
	}
	return nil
}

// checker gathers every fault with its path.
type checker struct{ faults []error }

func (c *checker) fault(path, sentence string) {
	c.faults = append(c.faults, fault.New(fault.Invalid, "%s %s", path, sentence))
}

func (c *checker) partner(m Metadata) Partner {
	if !idPattern.MatchString(m.ID) {
		c.fault("partner.id", "must be 1 to 40 of a-z, 0-9 and -, with - only inside")
	}
	required := []struct{ path, text string }{
		{"partner.service", m.Service},
		{"partner.corporation", m.Corporation},
		{"partner.registration_number", m.RegistrationNumber},
		{"partner.contact.desk", m.Contact.Desk},
		{"partner.contact.phone", m.Contact.Phone},
	}
	for _, r := range required {
		c.text(r.path, r.text, true)
	}
	c.text("partner.chained_service", m.ChainedService, false)
	c.text("partner.loss_sharing", m.LossSharing, false)
	if a, err := mail.ParseAddress(m.Contact.Mail); m.Contact.Mail != "" && (err != nil || a.Address != m.Contact.Mail) {
		c.fault("partner.contact.mail", "is not a mail address")
	}
	if u, err := url.Parse(m.Contact.URL); m.Contact.URL != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		c.fault("partner.contact.url", "must be an https address")
	}
	if m.LogoFile != "" && (filepath.Base(m.LogoFile) != m.LogoFile || strings.HasPrefix(m.LogoFile, ".")) {
		c.fault("partner.logo_file", "must be the name of a file in the brand folder, without a path")
	}
	if m.ConsentDays < 0 || m.ConsentDays > maxConsentDays {
		c.fault("partner.consent_days", "must be from 1 to 365, or absent for the institution's")
	}
	if m.HistoryDays < 0 || m.HistoryDays > maxHistoryDays {
		c.fault("partner.history_days", "must be from 1 to 3660, or absent for the institution's")
	}
	p := Partner{
		ID: ID(m.ID), Service: m.Service, Corporation: m.Corporation, RegistrationNumber: m.RegistrationNumber,
		Contact:        Contact(m.Contact),
		ChainedService: m.ChainedService, LossSharing: m.LossSharing, LogoFile: m.LogoFile,
		ChoosesFunctions: m.ChoosesFunctions,
		ConsentFor:       time.Duration(m.ConsentDays) * 24 * time.Hour, HistoryDays: m.HistoryDays,
		Status: Active,
	}
	p.Functions = c.functions("partner.functions", m.Functions)
	p.Required = c.functions("partner.required_functions", m.RequiredFunctions)
	if len(m.Functions) == 0 {
		c.fault("partner.functions", "must name at least one of balance, transactions, deposits")
	}
	for _, f := range p.Required {
		if !p.May(f) {
			c.fault("partner.required_functions", "names "+string(f)+", which partner.functions does not")
		}
	}
	c.contract(&p, m)
	return p
}

func (c *checker) text(path, text string, required bool) {
	switch {
	case required && strings.TrimSpace(text) == "":
		c.fault(path, "is missing")
	case utf8.RuneCountInString(text) > maxText:
		c.fault(path, "is longer than 200 characters")
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }):
		c.fault(path, "holds a control character")
	}
}

// functions returns the functions that words name, in the order in which they
// are shown.
func (c *checker) functions(path string, words []string) []corebank.BusinessFunction {
	for i, w := range words {
		if !slices.Contains(corebank.Functions, corebank.BusinessFunction(w)) {
			c.fault(path, "names "+strconv.Quote(w)+"; known are balance, transactions, deposits")
		}
		if slices.Contains(words[:i], w) {
			c.fault(path, "names "+strconv.Quote(w)+" twice")
		}
	}
	var known []corebank.BusinessFunction
	for _, f := range corebank.Functions {
		if slices.Contains(words, string(f)) {
			known = append(known, f)
		}
	}
	return known
}

// contract reads the days of the contract, of which the last one counts too.
func (c *checker) contract(p *Partner, m Metadata) {
	from, err := time.ParseInLocation(time.DateOnly, m.ContractFrom, corebank.Japan)
	if err != nil {
		c.fault("partner.contract_from", "must be a date such as 2026-04-01")
		return
	}
	p.ContractFrom = from.UTC()
	if m.ContractUntil == "" {
		return
	}
	until, err := time.ParseInLocation(time.DateOnly, m.ContractUntil, corebank.Japan)
	switch {
	case err != nil:
		c.fault("partner.contract_until", "must be a date such as 2027-03-31")
	case until.Before(from):
		c.fault("partner.contract_until", "is before contract_from")
	default:
		p.ContractUntil = until.AddDate(0, 0, 1).UTC()
	}
}
