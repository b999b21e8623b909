package accountapi

import (
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/partner"
)

// registration is the answer of GET partner: the caller's own registration and
// contract, as the bank holds them.
type registration struct {
	ID                 partner.ID                  `json:"partnerId"`
	Status             partner.Status              `json:"status"`
	Service            string                      `json:"serviceName"`
	Corporation        string                      `json:"corporationName"`
	RegistrationNumber string                      `json:"registrationNumber"`
	Contact            contact                     `json:"contact"`
	ChainedService     string                      `json:"chainedService,omitempty"`
	Functions          []corebank.BusinessFunction `json:"functions"`
	Required           []corebank.BusinessFunction `json:"requiredFunctions"`
	CustomerChooses    bool                        `json:"customerChoosesFunctions"`
	ConsentDays        int                         `json:"consentDays,omitempty"` // absent: the institution's
	HistoryDays        int                         `json:"historyDays,omitempty"` // absent: the institution's
	ContractFrom       corebank.Date               `json:"contractFrom"`
	ContractUntil      corebank.Date               `json:"contractUntil,omitempty"` // the last day; absent: no end is agreed
	Client             client                      `json:"client"`
}

type contact struct {
	Desk  string `json:"desk"`
	Phone string `json:"phone"`
	Mail  string `json:"mail,omitempty"`
	URL   string `json:"url,omitempty"`
}

type client struct {
	ID             oauth.ClientID      `json:"clientId"`
	Name           string              `json:"clientName,omitempty"`
	Profile        oauth.Profile       `json:"profile"`
	SunsetOn       string              `json:"sunsetOn,omitempty"` // its last day
	RegisteredBy   oauth.Registrar     `json:"registeredBy"`
	Authentication oauth.AuthMethod    `json:"tokenEndpointAuthMethod"`
	BoundBy        oauth.BindingMethod `json:"tokensBoundBy"`
	GrantTypes     []string            `json:"grantTypes"`
	Scope          string              `json:"scope"`
	RedirectURIs   []string            `json:"redirectUris"`
}

// partner answers a client's own token, behind which there is no customer.
func (a *api) partner(c *call) (any, error) {
	if err := c.parameters(); err != nil {
		return nil, err
	}
	p, err := a.Partners.Partner(c.r.Context(), c.access.Partner)
	if err != nil {
		return nil, missing(err)
	}
	k, err := a.Tokens.Registration(c.r.Context(), c.access.Client)
	if err != nil {
		return nil, missing(err)
	}
	out := registration{
		ID: p.ID, Status: p.Status, Service: p.Service, Corporation: p.Corporation, RegistrationNumber: p.RegistrationNumber,
		Contact: contact(p.Contact), ChainedService: p.ChainedService, Functions: p.Functions, Required: p.Required,
		CustomerChooses: p.ChoosesFunctions, ConsentDays: int(p.ConsentFor / (24 * time.Hour)), HistoryDays: p.HistoryDays,
		ContractFrom: corebank.DateOf(p.ContractFrom),
		Client: client{
			ID: k.ID, Name: k.Name, Profile: k.Profile, SunsetOn: k.SunsetOn, RegisteredBy: k.Registered, Authentication: k.AuthMethod,
			BoundBy: oauth.BoundByDPoP, GrantTypes: k.GrantTypes, Scope: k.Scope, RedirectURIs: k.RedirectURIs,
		},
	}
	if k.CertificateBound {
		out.Client.BoundBy = oauth.BoundByCertificate
	}
	if out.Required == nil {
		out.Required = []corebank.BusinessFunction{}
	}
	if out.Client.RedirectURIs == nil {
		out.Client.RedirectURIs = []string{}
	}
	if !p.ContractUntil.IsZero() {
		out.ContractUntil = corebank.DateOf(p.ContractUntil.Add(-time.Second))
	}
	return out, nil
}

// missing: who has a live token is registered, unless that ended this instant.
func missing(err error) error {
	if fault.Of(err) == fault.NotFound {
		return problem{code: "invalid_token", internal: err}
	}
	return err
}
