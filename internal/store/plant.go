package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/partner"
)

// Planted says what PlantConsents adds.
type Planted struct {
	Partner partner.ID
	Client  oauth.ClientID
	N       int
	IDs     *IDs
	Done    func(n int) // called now and then; may be nil
}

const (
	plantedTogether = 1000 // consents in one commit
	plantedAtOnce   = 100  // rows in one statement
	plantedLife     = 90 * 24 * time.Hour
)

// PlantConsents adds live consents of as many users, each with its grant, refresh
// token and access token, so that a store can be measured at the size that it
// will have. Nobody knows the tokens, and no act is recorded: it is for databases
// that only measurements use.
func (in *Institution) PlantConsents(ctx context.Context, p Planted) error {
	for done := 0; done < p.N; {
		n := min(plantedTogether, p.N-done)
		if err := in.plant(ctx, p, done, n); err != nil {
			return fault.Wrap(fault.Of(err), "fill the store", err)
		}
		if done += n; p.Done != nil {
			p.Done(done)
		}
	}
	return nil
}

func (in *Institution) plant(ctx context.Context, p Planted, from, n int) error {
	return in.write(ctx, func(ctx context.Context, t tx) error {
		for at := from; at < from+n; at += plantedAtOnce {
			if err := in.plantRows(ctx, t, p, at, min(plantedAtOnce, from+n-at)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (in *Institution) plantRows(ctx context.Context, t tx, p Planted, from, n int) error {
	now := in.now()
	given, ends, expires := micros(now), micros(now.Add(plantedLife)), micros(now.Add(15*time.Minute))
	consents := &rowsOf{table: "consents", columns: "institution, " + consentColumns}
	grants := &rowsOf{table: "grants", columns: "id, institution, grant_id, client_id, consent_id, terms"}
	refresh := &rowsOf{table: "refresh_tokens", columns: "id, institution, digest, client_id, consent_id, grant_row"}
	access := &rowsOf{table: "access_tokens", columns: "id, institution, digest, client_id, consent_id, grant_id, bound_by, thumbprint, scope, functions, audience, auth_time, expires_at"}
	for i := from; i < from+n; i++ {
		row := p.IDs.Next()
		consent := fmt.Sprintf("cns_planted%016x", row)
		grant := fmt.Sprintf("grt_planted%016x", row)
		consents.add(in.id, consent, fmt.Sprintf("usr_planted.%08d", i), fmt.Sprintf("cmp_planted.%08d", i/3), string(p.Partner), string(p.Client),
			"active", "", `["balance"]`, fmt.Sprintf(`["001-1-%08d"]`, i), 90, given, ends, 0, "", "1", "")
		grants.add(row, in.id, grant, string(p.Client), consent, `{"id":"`+grant+`","request":{"client_id":"`+string(p.Client)+`","response_type":"code","scope":"openid account.balance"}}`)
		refresh.add(p.IDs.Next(), in.id, chance(), string(p.Client), consent, row)
		access.add(p.IDs.Next(), in.id, chance(), string(p.Client), consent, grant, "dpop", "planted", "openid account.balance", `["balance"]`, "planted", given, expires)
	}
	for _, r := range []*rowsOf{consents, grants, refresh, access} {
		if err := t.Do(ctx, r.statement(), r.args...); err != nil {
			return err
		}
	}
	return nil
}

func chance() []byte {
	b := make([]byte, 32)
	rand.Read(b)
	return b
}

// rowsOf gathers rows for one INSERT.
type rowsOf struct {
	table, columns string
	args           []any
}

func (r *rowsOf) add(values ...any) { r.args = append(r.args, values...) }

func (r *rowsOf) statement() string {
	width := strings.Count(r.columns, ",") + 1
	var b strings.Builder
	b.WriteString("INSERT INTO " + r.table + " (" + r.columns + ") VALUES ")
	for i := range r.args {
		switch {
		case i == 0:
			b.WriteString("($1")
		case i%width == 0:
			b.WriteString("), ($" + strconv.Itoa(i+1))
		default:
			b.WriteString(", $" + strconv.Itoa(i+1))
		}
	}
	b.WriteString(")")
	return b.String()
}
