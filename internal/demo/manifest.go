package demo

import (
	"encoding/json"

	"renkei.dev/internal/corebank/sandbox"
)

// manifest is demo.json: what the start page tells people, for scripts. Files
// are relative to the data directory.
type manifest struct {
	CA           string                `json:"ca"`
	Admin        string                `json:"admin"` // where /livez, /readyz and /metrics answer
	Institutions []manifestInstitution `json:"institutions"`
	Partners     []manifestPartner     `json:"partners"`
	Users        []manifestUser        `json:"users"`
}

type manifestInstitution struct {
	Name   string `json:"name"`
	Issuer string `json:"issuer"`
	API    string `json:"api"`
	// InitialAccessToken registers clients at the registration endpoint (RFC 7591).
	InitialAccessToken string `json:"initialAccessToken"`
}

type manifestPartner struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

type manifestUser struct {
	Name        string               `json:"name"`
	Company     string               `json:"company"`
	What        string               `json:"what"`
	LoginID     string               `json:"loginId"`
	Password    string               `json:"password"`
	Answer      string               `json:"answer"`
	Certificate *manifestCertificate `json:"certificate,omitempty"`
	Accounts    []manifestAccount    `json:"accounts"`
}

type manifestCertificate struct {
	P12        string `json:"p12"`
	Passphrase string `json:"passphrase"`
}

type manifestAccount struct {
	Branch string `json:"branch"`
	Type   string `json:"type"`
	Number string `json:"number"`
	PIN    string `json:"pin"`
}

func (d *demo) manifest() []byte {
	m := manifest{
		CA: caFile, Admin: d.places.admin(),
		Institutions: []manifestInstitution{{
			Name: d.world.Name, Issuer: d.places.origin("localhost", loginAt), API: d.places.origin("localhost", apiAt),
			InitialAccessToken: d.initialToken,
		}},
	}
	for _, s := range suppliers {
		m.Partners = append(m.Partners, manifestPartner{Name: s.service, URL: s.url(d.places) + "/"})
	}
	for _, company := range d.world.Companies {
		for _, member := range company.Members {
			m.Users = append(m.Users, manifestOf(company, member))
		}
	}
	out, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		panic(err) // plain texts always marshal
	}
	return append(out, '\n')
}

func manifestOf(company sandbox.Company, member sandbox.Member) manifestUser {
	u := manifestUser{
		Name: string(member.LoginID), Company: company.Name, What: member.Case,
		LoginID: string(member.LoginID), Password: member.Password, Answer: answerOf(member), Accounts: []manifestAccount{},
	}
	if member.Certificate != sandbox.NoCertificate {
		u.Certificate = &manifestCertificate{P12: p12Path(member), Passphrase: passphrase}
	}
	for _, a := range company.Accounts {
		u.Accounts = append(u.Accounts, manifestAccount{Branch: a.BranchCode, Type: string(a.Type), Number: a.Number, PIN: a.PIN})
	}
	return u
}

// answerOf is the answer to each of a user's questions: in this world it is the
// same for all of them.
func answerOf(m sandbox.Member) string {
	if len(m.Questions) == 0 {
		return ""
	}
	return m.Questions[0].Answer
}
