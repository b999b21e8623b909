package app

import (
	"renkei.dev/internal/config"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/oauth"
)

// IssuerOf returns the issuer that the settings describe, with its keys.
func IssuerOf(s config.Institution, m config.InstitutionMaterial, keys *jose.Ring) oauth.Issuer {
	i := oauth.Issuer{
		Institution: s.Name, URL: string(s.Login.Origin), APIs: apisOf(s, m),
		ACRs: acrs, UILocales: []string{"ja", "en"},
		Lifetimes: oauth.Lifetimes{
			AccessTokenFor: s.Lifetimes.AccessToken, RequestFor: s.Lifetimes.Request, CodeFor: s.Lifetimes.Code,
			JourneyFor: s.Rules.TotalFor, KeysFor: s.Lifetimes.ClientKeys, KeySetFor: s.Lifetimes.KeySet,
		},
		SelfRegistration: s.SelfRegistration, Keys: keys,
	}
	if s.MutualTLS != nil {
		i.MutualTLSURL = string(s.MutualTLS.Origin)
	}
	for _, p := range s.Profiles {
		i.Profiles = append(i.Profiles, oauth.Profile(p))
	}
	for _, demanded := range s.StepUp {
		d := oauth.StepUp{ACRs: demanded.ACR, MaxAge: demanded.MaxAge}
		for _, f := range demanded.Functions {
			d.Functions = append(d.Functions, corebank.BusinessFunction(f))
		}
		i.StepUp = append(i.StepUp, d)
	}
	return i
}

// apisOf returns the account API and the bank's other resource servers. One that
// names the account API as its audience says how its tokens look and who else may
// introspect them.
func apisOf(s config.Institution, m config.InstitutionMaterial) []oauth.API {
	apis := []oauth.API{{URL: string(s.API.Origin)}}
	for n, r := range s.ResourceServers {
		api := oauth.API{URL: string(r.Audience), SignedTokens: r.Tokens == "signed", Server: &oauth.ResourceServer{
			ID: oauth.ClientID("rs_" + r.Name), Certificates: m.ResourceServers[n].Certificates, JWKS: m.ResourceServers[n].JWKS,
		}}
		if api.URL == apis[0].URL {
			apis[0] = api
		} else {
			apis = append(apis, api)
		}
	}
	return apis
}
