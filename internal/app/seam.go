package app

import (
	"context"
	"net/http"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/web/screens"
)

// protocolOf is the protocol engine as the journey knows it. Nothing is decided
// here: the same words stand on both sides.
type protocolOf struct{ engine *oauth.Engine }

// Approve is oauth's Approve in linkage's types.
func (p protocolOf) Approve(ctx context.Context, handle string, a linkage.Approval) (linkage.Redirect, audit.Change, error) {
	way, change, err := p.engine.Approve(ctx, oauth.Handle(handle), oauth.Approval{
		Subject: a.Subject, Company: a.Company, AuthTime: a.AuthTime, ACR: a.ACR, AMR: a.AMR,
		Consent: string(a.Consent), Extent: oauth.Extent(a.Extent), Replaces: string(a.Replaces), Address: a.Address,
	})
	return linkage.Redirect(way), change, err
}

// Deny is oauth's Deny in linkage's types.
func (p protocolOf) Deny(ctx context.Context, handle string, why linkage.Reason) (linkage.Redirect, audit.Change, error) {
	way, change, err := p.engine.Deny(ctx, oauth.Handle(handle), oauth.Reason(why))
	return linkage.Redirect(way), change, err
}

// askedOf is what the protocol found, in linkage's types.
func askedOf(i oauth.Interaction) linkage.Asked {
	return linkage.Asked{
		Handle: string(i.Handle), Client: string(i.Client), Partner: i.Partner,
		Functions: i.Asked.Functions, Accounts: i.Asked.Accounts, HistoryDays: i.Asked.HistoryDays,
		Grant: linkage.ConsentID(i.Asked.Grant), GrantAction: i.Asked.GrantAction,
		Relogin: i.Asked.Relogin, ACRs: i.Asked.Demanded, LoginHint: i.Asked.LoginHint, UILocales: i.Asked.UILocales,
	}
}

// causes are the pages of what the authorization endpoint refuses.
var causes = map[oauth.AuthorizeCause]linkage.Code{
	oauth.BadRequest:         linkage.RequestUnknown,
	oauth.PartnerOutOfAction: linkage.PartnerHalted,
	oauth.BeyondRegistration: linkage.RequestTooWide,
}

// refusedOn shows why the authorization endpoint began no journey.
func refusedOn(pages *screens.Screens) func(http.ResponseWriter, *http.Request, *oauth.AuthorizeFailure) {
	return func(w http.ResponseWriter, r *http.Request, f *oauth.AuthorizeFailure) {
		code, known := causes[f.Page]
		if !known {
			code = linkage.TryLater
		}
		cause := linkage.Cause{Code: code}
		if f.Redirect == nil {
			pages.Refused(w, r, cause, nil, false)
			return
		}
		way := linkage.Redirect(*f.Redirect)
		cause.CanLeave = true
		pages.Refused(w, r, cause, &way, !f.PageFirst)
	}
}

// acrs are the ways in which a login here can be proved, in linkage's words.
var acrs = []string{"password", "password_question", "certificate_password"}

// handlesOf asks the pages which journeys a browser began.
func handlesOf(pages *screens.Screens) func(*http.Request) []oauth.Handle {
	return func(r *http.Request) []oauth.Handle {
		var handles []oauth.Handle
		for _, h := range pages.Began(r) {
			handles = append(handles, oauth.Handle(h))
		}
		return handles
	}
}
