package partner

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
)

const good = `{
  "partner": {
    "id": "mihon-kaikei", "service": "見本会計", "corporation": "見本ソフト株式会社",
    "registration_number": "関東財務局長（電代）第999号",
    "contact": {"desk": "お客さま窓口", "phone": "03-0000-0000", "mail": "desk@example.jp", "url": "https://example.jp/help"},
    "logo_file": "mihon.svg",
    "functions": ["deposits", "balance"], "required_functions": ["balance"], "chooses_functions": true,
    "consent_days": 180, "history_days": 400,
    "contract_from": "2026-04-01", "contract_until": "2027-03-31"
  },
  "client": {"client_id": "cl_mihon-kaikei"}
}`

func TestMetadataBecomesAPartnerAndLeavesItsClientAlone(t *testing.T) {
	p, client, err := ParseMetadata([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if string(client) != `{"client_id": "cl_mihon-kaikei"}` {
		t.Errorf("the client became %s", client)
	}
	if len(p.Functions) != 2 || p.Functions[0] != corebank.BalanceInquiry || !p.Must(corebank.BalanceInquiry) {
		t.Errorf("functions %v, required %v: not in the order in which they are shown", p.Functions, p.Required)
	}
	if p.ConsentFor != 180*24*time.Hour || p.Status != Active {
		t.Errorf("consents for %v, status %q", p.ConsentFor, p.Status)
	}
	if last := time.Date(2027, 3, 31, 23, 59, 59, 0, corebank.Japan); p.Linkable(last) != nil || p.Linkable(last.Add(time.Second)) == nil {
		t.Error("the last day of the contract is not its last")
	}
}

func TestAPartnerIsToldInTheWordsThatItWasRegisteredBy(t *testing.T) {
	p, client, err := ParseMetadata([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	told, err := json.Marshal(map[string]any{"partner": p.Metadata(), "client": client})
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := ParseMetadata(told)
	if err != nil || !reflect.DeepEqual(again, p) {
		t.Errorf("told as %s, which reads as %+v, %v", told, again, err)
	}
	if p.ContractUntil = (time.Time{}); p.Metadata().ContractUntil != "" {
		t.Error("a contract without an agreed end is told with one")
	}
}

func TestEveryFaultOfTheMetadataIsToldAtOnce(t *testing.T) {
	_, _, err := ParseMetadata([]byte(`{"partner": {
		"id": "Mihon", "corporation": "見\u0007本", "registration_number": "1", "contact": {"desk": "d", "phone": "1", "mail": "nobody", "url": "http://example.jp"},
		"logo_file": "../logo.svg", "functions": ["balance", "transfer", "balance"], "required_functions": ["deposits"],
		"consent_days": 366, "history_days": -1, "contract_from": "tomorrow"}}`))
	if !errors.Is(err, fault.Invalid) {
		t.Fatalf("got %v", err)
	}
	for _, path := range []string{
		"partner.id", "partner.service is missing", "partner.corporation holds", "partner.contact.mail", "partner.contact.url", "partner.logo_file",
		`partner.functions names "transfer"`, `partner.functions names "balance" twice`, "partner.required_functions names deposits",
		"partner.consent_days", "partner.history_days", "partner.contract_from", "client is missing",
	} {
		if !strings.Contains(err.Error(), path) {
			t.Errorf("nothing is said of %s in\n%v", path, err)
		}
	}
}

func TestTheClientsHalfComesBesideTheFaultsOfThePartners(t *testing.T) {
	for name, text := range map[string]string{
		"a fault":        strings.Replace(good, "2026-04-01", "tomorrow", 1),
		"an unknown key": strings.Replace(good, `"id"`, `"identifier": "x", "id"`, 1),
	} {
		if _, client, err := ParseMetadata([]byte(text)); err == nil || string(client) != `{"client_id": "cl_mihon-kaikei"}` {
			t.Errorf("%s: %s, %v", name, client, err)
		}
	}
}

func TestMetadataThatIsNotOneKnownObjectIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"an unknown key":           strings.Replace(good, `"id"`, `"identifier": "x", "id"`, 1),
		"something after":          good + "{}",
		"no object":                `[]`,
		"nothing":                  ``,
		"no partner":               `{"client": {}}`,
		"a number for a text":      strings.Replace(good, `"見本会計"`, `7`, 1),
		"an end before the start":  strings.Replace(good, `2027-03-31`, `2026-03-31`, 1),
		"a client that is nothing": strings.Replace(good, `{"client_id": "cl_mihon-kaikei"}`, `null`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := ParseMetadata([]byte(text)); !errors.Is(err, fault.Invalid) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func FuzzParseMetadata(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(`{"partner":{"contact":null},"client":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, client, err := ParseMetadata(data)
		switch {
		case err != nil && !errors.Is(err, fault.Invalid):
			t.Errorf("%v is not fault.Invalid", err)
		case err == nil && (p.ID == "" || p.Service == "" || len(p.Functions) == 0 || p.ContractFrom.IsZero() || len(client) == 0):
			t.Errorf("accepted %+v", p)
		}
	})
}
