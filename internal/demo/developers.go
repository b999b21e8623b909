package demo

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/partner"
)

// developers is the partner whose engineers are whoever tries the demo: it has no
// client of its own, but an initial access token to register some.
var developers = partner.Partner{
	ID: "kaihatsu-chu", Service: "開発中のサービス", Corporation: "開発中の会社（架空）", RegistrationNumber: "登録番号なし（デモ）",
	Contact:   partner.Contact{Desk: "開発者のみなさま", Phone: "03-0000-9009"},
	Functions: corebank.Functions, ChoosesFunctions: true, HistoryDays: 365,
	Status: partner.Active, ContractFrom: time.Date(2026, 4, 1, 0, 0, 0, 0, corebank.Japan),
}

const (
	developersUses = 1000
	developersFor  = 365 * 24 * time.Hour
)

// initialTokenFile is where the initial access token lies, for people and scripts.
func initialTokenFile() string { return filepath.Join(partnerFolder, "initial-access-token") }

// openRegistration makes sure that there is an initial access token to register
// clients by, and that its file holds it.
func (d *demo) openRegistration(ctx context.Context) error {
	in := d.app.Institutions[0]
	staff := audit.Actor{Kind: audit.Operator, ID: "renkei demo"}
	_, err := in.Store.Partner(ctx, developers.ID)
	if errors.Is(err, fault.NotFound) {
		err = in.Store.Commit(ctx, partner.Registered{Partner: developers, By: staff, At: d.cfg.Now()})
	}
	if err != nil {
		return err
	}
	tokens, err := in.Store.InitialAccessTokens(ctx, developers.ID)
	if err != nil {
		return err
	}
	good := slices.ContainsFunc(tokens, func(i oauth.InitialAccessToken) bool {
		return i.UsesLeft > 0 && d.cfg.Now().Before(i.ExpiresAt.Add(-24*time.Hour))
	})
	if !good { // the one in the file is over
		if err := d.folder.remove(initialTokenFile()); err != nil {
			return err
		}
	}
	kept, err := d.folder.kept(initialTokenFile(), func() ([]byte, error) {
		value, err := in.Invite(ctx, developers.ID, developersUses, developersFor, staff)
		return []byte(value.Reveal() + "\n"), err
	})
	d.initialToken = strings.TrimSpace(string(kept))
	return err
}
