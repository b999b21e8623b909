package oauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"

	"renkei.dev/internal/corebank"
)

// DetailsType is the one type of authorization_details that we know (RFC 9396 §2).
const DetailsType = "corporate_account_information"

const (
	maxDetailsBytes  = 16 << 10
	maxDetails       = 8
	maxAliases       = 200
	maxHistoryDays   = 3660
	maxAliasBytes    = 128
	maxJSONNesting   = 8
	detailsMalformed = "authorization_details are malformed"
)

// details is one element of authorization_details. What is granted has the same
// form, with all accounts that the customer chose.
type details struct {
	Type        string                      `json:"type"`
	Actions     []corebank.BusinessFunction `json:"actions"`
	HistoryDays int                         `json:"historyDays,omitempty"`
	Accounts    []string                    `json:"accounts,omitempty"`
	Locations   []string                    `json:"locations,omitempty"`
}

// parseDetails reads authorization_details. Unknown types, fields and values are
// refused (RFC 9396 §5), and so is a field twice.
func parseDetails(raw []byte, apis []API) ([]details, *Failure) {
	if len(raw) == 0 {
		return nil, nil
	}
	if len(raw) > maxDetailsBytes || tooDeepOrTwice(raw) {
		return nil, fail(InvalidDetails, detailsMalformed)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	var out []details
	if err := d.Decode(&out); err != nil {
		return nil, &Failure{Code: InvalidDetails, Word: detailsMalformed, Cause: err}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) || len(out) == 0 || len(out) > maxDetails {
		return nil, fail(InvalidDetails, detailsMalformed)
	}
	for _, one := range out {
		if f := one.fault(apis); f != nil {
			return nil, f
		}
	}
	return out, nil
}

func (d details) fault(apis []API) *Failure {
	if d.Type != DetailsType {
		return fail(InvalidDetails, "unknown type of authorization_details")
	}
	if len(d.Actions) == 0 {
		return fail(InvalidDetails, "actions are missing")
	}
	for i, a := range d.Actions {
		if !slices.Contains(corebank.Functions, a) || slices.Contains(d.Actions[:i], a) {
			return fail(InvalidDetails, "unknown action or one twice")
		}
	}
	if d.HistoryDays < 0 || d.HistoryDays > maxHistoryDays {
		return fail(InvalidDetails, "historyDays is out of range")
	}
	if len(d.Accounts) > maxAliases {
		return fail(InvalidDetails, "too many accounts")
	}
	for i, a := range d.Accounts {
		if a == "" || len(a) > maxAliasBytes || slices.Contains(d.Accounts[:i], a) {
			return fail(InvalidDetails, "an account is empty or named twice")
		}
	}
	for _, l := range d.Locations {
		if !slices.ContainsFunc(apis, func(a API) bool { return a.URL == l }) {
			return fail(InvalidDetails, "unknown location")
		}
	}
	return nil
}

// tooDeepOrTwice guards the decoder, which takes any depth up to its own limit
// and the last of two fields of one name.
func tooDeepOrTwice(raw []byte) bool {
	d := json.NewDecoder(bytes.NewReader(raw))
	var names []map[string]bool // one per open object; nil for an array
	expectName := false
	for {
		t, err := d.Token()
		if err != nil {
			return !errors.Is(err, io.EOF)
		}
		switch v := t.(type) {
		case json.Delim:
			switch v {
			case '{':
				names = append(names, map[string]bool{})
				expectName = true
			case '[':
				names = append(names, nil)
				expectName = false
			default:
				names = names[:len(names)-1]
				expectName = len(names) > 0 && names[len(names)-1] != nil
			}
			if len(names) > maxJSONNesting {
				return true
			}
			continue
		case string:
			if expectName {
				open := names[len(names)-1]
				if open[v] {
					return true
				}
				open[v] = true
				expectName = false
				continue
			}
		}
		expectName = len(names) > 0 && names[len(names)-1] != nil
	}
}

// askedBy folds all elements into what the journey is asked for: the functions of
// all, the accounts of all, and the longest history.
func askedBy(all []details) (functions []corebank.BusinessFunction, accounts []string, historyDays int) {
	for _, d := range all {
		functions = union(functions, d.Actions)
		historyDays = max(historyDays, d.HistoryDays)
		for _, a := range d.Accounts {
			if !slices.Contains(accounts, a) {
				accounts = append(accounts, a)
			}
		}
	}
	return functions, accounts, historyDays
}

// grantedDetails says in the form of RFC 9396 §7 what was granted, not what was
// asked for.
func grantedDetails(functions []corebank.BusinessFunction, accounts []string, historyDays int) json.RawMessage {
	raw, err := json.Marshal([]details{{Type: DetailsType, Actions: functions, HistoryDays: historyDays, Accounts: accounts}})
	if err != nil {
		return nil // strings and a number always marshal
	}
	return raw
}
