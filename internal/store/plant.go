package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

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
	plantedTogether = 10_000 // consents in one commit
	plantedAtOnce   = 50     // rows in one statement
	plantedLife     = 90 * 24 * time.Hour
)

// PlantConsents adds live consents of as many users, each with its grant, refresh
// token and access token, so that a store can be measured at the size that it
// will have. Nobody knows the tokens, and no act is recorded. It is for databases
// that only measurements use: a SQLite file that it did not get to the end with
// may be torn if the machine stops.
func (in *Institution) PlantConsents(ctx context.Context, p Planted) error {
	var err error
	switch e := in.db.engine.(type) {
	case *sqliteEngine:
		err = in.plantInFile(ctx, e.address, p)
	case *postgresEngine:
		err = in.plantByCopy(ctx, e, p)
	default:
		err = fault.New(fault.Internal, "a %s cannot be filled", e.dialect())
	}
	return failed(err, "fill the store")
}

// planted are rows of a table, all of one width.
type planted struct {
	table   string
	columns []string
	rows    [][]any
}

func plantedIn(table, columns string, n int) planted {
	return planted{table, strings.Fields(strings.ReplaceAll(columns, ",", " ")), make([][]any, 0, n)}
}

func (r *planted) add(values ...any) { r.rows = append(r.rows, values) }

// eachPlanted hands over all rows, so many that one commit takes them at a time.
// Their keys rise.
func (in *Institution) eachPlanted(ctx context.Context, p Planted, put func([]planted) error) error {
	for done := 0; done < p.N; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(plantedTogether, p.N-done)
		if err := put(in.plantedRows(p, done, n)); err != nil {
			return err
		}
		if done += n; p.Done != nil {
			p.Done(done)
		}
	}
	return nil
}

func (in *Institution) plantedRows(p Planted, from, n int) []planted {
	now := in.now()
	given, ends, expires := micros(now), micros(now.Add(plantedLife)), micros(now.Add(15*time.Minute))
	consents := plantedIn("consents", "institution, "+consentColumns, n)
	grants := plantedIn("grants", "id, institution, grant_id, client_id, consent_id, terms", n)
	refresh := plantedIn("refresh_tokens", "id, institution, digest, client_id, consent_id, grant_row", n)
	access := plantedIn("access_tokens", "id, institution, digest, client_id, consent_id, grant_id, bound_by, thumbprint, scope, functions, audience, auth_time, expires_at", n)
	client := string(p.Client)
	request := `","request":{"client_id":"` + client + `","response_type":"code","scope":"openid account.balance"}}`
	chance := make([]byte, 64*n)
	rand.Read(chance) // never fails since Go 1.24
	for i := from; i < from+n; i++ {
		row := p.IDs.Next()
		id := fmt.Sprintf("planted%016x", row)
		consent, grant := "cns_"+id, "grt_"+id
		consents.add(in.id, consent, fmt.Sprintf("usr_planted.%08d", i), fmt.Sprintf("cmp_planted.%08d", i/3), string(p.Partner), client,
			"active", "", `["balance"]`, fmt.Sprintf(`["001-1-%08d"]`, i), 90, given, ends, 0, "", "1", "")
		grants.add(row, in.id, grant, client, consent, `{"id":"`+grant+request)
		refresh.add(p.IDs.Next(), in.id, chance[:32:32], client, consent, row)
		access.add(p.IDs.Next(), in.id, chance[32:64:64], client, consent, grant, "dpop", "planted", "openid account.balance", `["balance"]`, "planted", given, expires)
		chance = chance[64:]
	}
	return []planted{consents, grants, refresh, access}
}

// plantByCopy leaves the tables as the database's own upkeep would have left them
// by the time that so many rows have come in one by one.
func (in *Institution) plantByCopy(ctx context.Context, e *postgresEngine, p Planted) error {
	err := in.eachPlanted(ctx, p, func(tables []planted) error {
		return pgx.BeginFunc(ctx, e.pool, func(t pgx.Tx) error {
			for _, r := range tables {
				if _, err := t.CopyFrom(ctx, pgx.Identifier{r.table}, r.columns, pgx.CopyFromRows(r.rows)); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err == nil {
		_, err = e.pool.Exec(ctx, `VACUUM (ANALYZE) consents, grants, refresh_tokens, access_tokens`)
	}
	if err == nil {
		// Else it would be written out during the measurement. Not every role may.
		_, _ = e.pool.Exec(ctx, `CHECKPOINT`)
	}
	return err
}

// plantInFile writes past the writer, by a connection that leaves it to the
// operating system when what it wrote reaches the disk, until the end.
func (in *Institution) plantInFile(ctx context.Context, address string, p Planted) (err error) {
	c, err := connectSQLite(ctx, address, sqliteSetting{"cache_size", "-65536"}, sqliteSetting{"synchronous", "0"})
	if err != nil {
		return err
	}
	defer func() {
		if closing := c.close(); err == nil {
			err = closing
		}
	}()
	err = in.eachPlanted(ctx, p, func(tables []planted) error {
		if _, err := c.Exec(ctx, `BEGIN IMMEDIATE`); err != nil {
			return err
		}
		for _, r := range tables {
			if err := r.insert(ctx, c); err != nil {
				return err // the connection ends, and takes back what was begun
			}
		}
		_, err := c.Exec(ctx, `COMMIT`)
		return err
	})
	if err != nil {
		return err
	}
	// Only a checkpoint that finds something to do flushes the file.
	for _, sql := range []string{`PRAGMA synchronous = FULL`, `PRAGMA user_version = 0`} {
		if _, err := c.Exec(ctx, sql); err != nil {
			return err
		}
	}
	var busy, frames, moved int64
	if err := c.QueryRow(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &frames, &moved); err != nil {
		return err
	}
	if busy != 0 {
		return fault.New(fault.Unavailable, "what was written cannot be flushed while somebody else reads the file")
	}
	return nil
}

// insert adds the rows, some in each statement.
func (r planted) insert(ctx context.Context, c *sqliteConn) error {
	var args []any
	for at := 0; at < len(r.rows); at += plantedAtOnce {
		some := r.rows[at:min(at+plantedAtOnce, len(r.rows))]
		args = args[:0]
		for _, row := range some {
			args = append(args, row...)
		}
		if _, err := c.Exec(ctx, r.statement(len(some)), args...); err != nil {
			return err
		}
	}
	return nil
}

// statement inserts n rows. Its parameters have no numbers: there are thousands.
func (r planted) statement(n int) string {
	row := "(" + strings.Repeat("?, ", len(r.columns)-1) + "?)"
	return "INSERT INTO " + r.table + " (" + strings.Join(r.columns, ", ") + ") VALUES " + strings.Repeat(row+", ", n-1) + row
}
