package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"renkei.dev/internal/app"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/partner"
)

// partnerFile is a partner with everything that it may call with.
type partnerFile struct {
	partner.Partner
	Clients     []clientLine
	Invitations []invitationLine
}

// toldPartner is a partnerFile as JSON, in the words of the file that registers
// a partner.
type toldPartner struct {
	partner.Metadata
	Status      partner.Status   `json:"status"`
	Clients     []clientLine     `json:"clients"`
	Invitations []invitationLine `json:"initial_access_tokens"`
}

func (f partnerFile) told() toldPartner {
	return toldPartner{f.Metadata(), f.Status, f.Clients, f.Invitations}
}

type clientLine struct {
	oauth.Client
	RegisteredBy oauth.Registrar `json:"registered_by"`
	// Over tells that the sunset is behind us.
	Over bool `json:"over"`
}

// invitationLine is an initial access token that can still be used.
type invitationLine struct {
	ID        int64     `json:"id"`
	UsesLeft  int       `json:"uses_left"`
	ExpiresAt time.Time `json:"expires_at"`
}

func fileOf(ctx context.Context, desk *app.Desk, p partner.Partner) (partnerFile, error) {
	f := partnerFile{Partner: p, Clients: []clientLine{}, Invitations: []invitationLine{}}
	clients, err := desk.Store.Clients(ctx, p.ID)
	if err != nil {
		return f, err
	}
	now := time.Now()
	for _, c := range clients {
		f.Clients = append(f.Clients, clientLine{c, c.Registered, !c.WorksAt(now)})
	}
	tokens, err := desk.Store.InitialAccessTokens(ctx, p.ID)
	for _, i := range tokens {
		if i.UsesLeft > 0 && now.Before(i.ExpiresAt) {
			f.Invitations = append(f.Invitations, invitationLine{i.Key.ID, i.UsesLeft, i.ExpiresAt})
		}
	}
	return f, err
}

// profiles are those of all its clients, each with its last day.
func (f partnerFile) profiles() string {
	var all []string
	for _, c := range f.Clients {
		if line := string(c.Profile) + sunset(c); !slices.Contains(all, line) {
			all = append(all, line)
		}
	}
	return strings.Join(all, ", ")
}

func sunset(c clientLine) string {
	switch {
	case c.SunsetOn == "":
		return ""
	case c.Over:
		return " ended " + c.SunsetOn
	}
	return " until " + c.SunsetOn
}

func inWords(c clientLine) string {
	binding := "certificate-bound"
	if c.DPoPBound {
		binding = "DPoP-bound"
	}
	return fmt.Sprintf("%s%s, %s, %s, registered by %s", c.Profile, sunset(c), c.AuthMethod, binding, c.RegisteredBy)
}
