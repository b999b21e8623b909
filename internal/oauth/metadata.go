package oauth

import (
	"encoding/json"
	"slices"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
)

// metadata is what RFC 8414 §2, OpenID Discovery §3 and the RFCs that add to them
// let us say of ourselves. Every field is made from what the engine does, and a
// test holds both together in both directions.
type metadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	PAREndpoint           string   `json:"pushed_authorization_request_endpoint"`
	RevocationEndpoint    string   `json:"revocation_endpoint"`
	IntrospectionEndpoint string   `json:"introspection_endpoint"`
	UserInfoEndpoint      string   `json:"userinfo_endpoint"`
	GrantsEndpoint        string   `json:"grant_management_endpoint"`
	JWKSURI               string   `json:"jwks_uri"`
	RegistrationEndpoint  string   `json:"registration_endpoint,omitempty"` // RFC 7591
	RequirePAR            bool     `json:"require_pushed_authorization_requests"`
	ScopesSupported       []string `json:"scopes_supported"`
	ResponseTypes         []string `json:"response_types_supported"`
	ResponseModes         []string `json:"response_modes_supported"`
	GrantTypes            []string `json:"grant_types_supported"`
	AuthMethods           []string `json:"token_endpoint_auth_methods_supported"`
	AuthSigningAlgs       []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	RevocationAuthMethods []string `json:"revocation_endpoint_auth_methods_supported"`
	RevocationSigningAlgs []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	IntrospectionMethods  []string `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectionAuthAlgs []string `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	IntrospectionAlgs     []string `json:"introspection_signing_alg_values_supported"` // RFC 9701 §7
	UserInfoAlgs          []string `json:"userinfo_signing_alg_values_supported"`
	UserInfoKeyAlgs       []string `json:"userinfo_encryption_alg_values_supported"`
	UserInfoContentAlgs   []string `json:"userinfo_encryption_enc_values_supported"`
	ChallengeMethods      []string `json:"code_challenge_methods_supported"`
	IssParameter          bool     `json:"authorization_response_iss_parameter_supported"`
	DPoPAlgs              []string `json:"dpop_signing_alg_values_supported,omitempty"`
	DetailsTypes          []string `json:"authorization_details_types_supported"`
	CertificateBound      bool     `json:"tls_client_certificate_bound_access_tokens"`
	RequestParameter      bool     `json:"request_parameter_supported"`
	RequestURIParameter   bool     `json:"request_uri_parameter_supported"`
	RequestObjectAlgs     []string `json:"request_object_signing_alg_values_supported"`
	ResponseSigningAlgs   []string `json:"authorization_signing_alg_values_supported"`
	SubjectTypes          []string `json:"subject_types_supported"`
	IDTokenAlgs           []string `json:"id_token_signing_alg_values_supported"`
	IDTokenKeyAlgs        []string `json:"id_token_encryption_alg_values_supported"`
	IDTokenContentAlgs    []string `json:"id_token_encryption_enc_values_supported"`
	ClaimsParameter       bool     `json:"claims_parameter_supported"`
	ClaimsSupported       []string `json:"claims_supported"`
	ACRValues             []string `json:"acr_values_supported,omitempty"`
	UILocales             []string `json:"ui_locales_supported,omitempty"`
	PromptValues          []string `json:"prompt_values_supported"`
	GrantActionRequired   bool     `json:"grant_management_action_required"`
	GrantActions          []string `json:"grant_management_actions_supported"`
	ProtectedResources    []string `json:"protected_resources,omitempty"` // RFC 9728 §4

	Aliases *aliases `json:"mtls_endpoint_aliases,omitempty"`
}

// aliases are the endpoints that authenticate clients or look at certificates,
// never the authorization endpoint (RFC 8705 §5).
type aliases struct {
	TokenEndpoint      string `json:"token_endpoint"`
	PAREndpoint        string `json:"pushed_authorization_request_endpoint"`
	RevocationEndpoint string `json:"revocation_endpoint"`
	Introspection      string `json:"introspection_endpoint"`
	UserInfo           string `json:"userinfo_endpoint"`
	Grants             string `json:"grant_management_endpoint"`
	Registration       string `json:"registration_endpoint,omitempty"`
}

// Metadata returns the one document that stands at both well-known addresses
// (RFC 8414 §3; OpenID Discovery §4). Errors: fault.Internal.
func (e *Engine) Metadata() ([]byte, error) {
	i := e.issuer
	ours := e.cfg.Keys().Algorithms()
	m := metadata{
		Issuer:                i.URL,
		AuthorizationEndpoint: i.At(AuthorizeEndpoint),
		TokenEndpoint:         i.At(TokenEndpoint),
		PAREndpoint:           i.At(PAREndpoint),
		RevocationEndpoint:    i.At(RevokeEndpoint),
		IntrospectionEndpoint: i.At(IntrospectEndpoint),
		UserInfoEndpoint:      i.At(UserInfoEndpoint),
		GrantsEndpoint:        i.At(GrantsEndpoint),
		JWKSURI:               i.At(KeySetEndpoint),
		RequirePAR:            !e.offers(FAPI1Adv),
		ScopesSupported:       append(userScopes(), ScopePartner),
		ResponseModes:         []string{modeJWT, modeQueryJWT},
		GrantTypes:            []string{grantCode, grantRefresh, grantClient},
		AuthMethods:           []string{string(PrivateKeyJWT)},
		ChallengeMethods:      []string{methodS256},
		IssParameter:          true,
		DetailsTypes:          []string{DetailsType},
		RequestParameter:      true,
		RequestURIParameter:   false, // ours come from PAR alone; none is fetched
		ResponseSigningAlgs:   ours,
		SubjectTypes:          []string{"pairwise"},
		IDTokenAlgs:           ours,
		UserInfoAlgs:          ours,
		IntrospectionAlgs:     ours,
		IDTokenKeyAlgs:        keyEncryptions,
		IDTokenContentAlgs:    contentEncryptions,
		UserInfoKeyAlgs:       keyEncryptions,
		UserInfoContentAlgs:   contentEncryptions,
		ClaimsParameter:       true,
		ClaimsSupported:       []string{"sub", "auth_time", "acr", "amr"},
		ACRValues:             i.ACRs,
		UILocales:             i.UILocales,
		PromptValues:          []string{"none", "login", "consent", "select_account"},
		GrantActions:          []string{"create", "merge", "replace", "query", "revoke"}, // Grant Management §7.1
	}
	for _, p := range i.Profiles {
		for _, t := range profiles[p].responseTypes {
			m.ResponseTypes = appendNew(m.ResponseTypes, t)
		}
		for _, a := range profiles[p].algorithms {
			m.AuthSigningAlgs = appendNew(m.AuthSigningAlgs, a)
		}
	}
	m.RequestObjectAlgs, m.RevocationSigningAlgs, m.IntrospectionAuthAlgs = m.AuthSigningAlgs, m.AuthSigningAlgs, m.AuthSigningAlgs
	if slices.Contains(m.ResponseTypes, "code id_token") {
		m.ResponseModes = append(m.ResponseModes, modeFragment)
	}
	if e.offers(FAPI2) {
		m.ResponseModes = append([]string{modeQuery}, m.ResponseModes...) // FAPI 1.0 Advanced never answers so
		m.DPoPAlgs = proofAlgorithms
	}
	for _, a := range i.APIs {
		m.ProtectedResources = append(m.ProtectedResources, a.URL)
	}
	if i.MutualTLSURL != "" {
		m.CertificateBound = true
		m.AuthMethods = append(m.AuthMethods, string(SelfSignedAuth))
		if e.cfg.CheckCertificate != nil {
			m.AuthMethods = append(m.AuthMethods, string(TLSClientAuth))
		}
		m.Aliases = &aliases{i.AtMutualTLS(TokenEndpoint), i.AtMutualTLS(PAREndpoint), i.AtMutualTLS(RevokeEndpoint),
			i.AtMutualTLS(IntrospectEndpoint), i.AtMutualTLS(UserInfoEndpoint), i.AtMutualTLS(GrantsEndpoint), ""}
	}
	if i.SelfRegistration {
		m.RegistrationEndpoint = i.At(RegisterEndpoint)
		if m.Aliases != nil {
			m.Aliases.Registration = i.AtMutualTLS(RegisterEndpoint)
		}
	}
	m.RevocationAuthMethods, m.IntrospectionMethods = m.AuthMethods, m.AuthMethods
	out, err := json.Marshal(m)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "write metadata", err)
	}
	return out, nil
}

func appendNew(list []string, one string) []string {
	if slices.Contains(list, one) {
		return list
	}
	return append(list, one)
}

// signs tells whether the issuer has a key for an algorithm that a client wants
// to be answered by.
func (i Issuer) signs(alg jose.Algorithm) bool {
	_, err := i.Keys.Signer(alg)
	return err == nil
}
