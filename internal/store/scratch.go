package store

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"renkei.dev/internal/fault"
)

// scratchMark is a table that only a database for measurements has, so that what
// one which was broken off left behind is known again.
const scratchMark = "renkei_bench"

// Scratch is a PostgreSQL database that may be filled and cleared.
type Scratch struct {
	conn *pgx.Conn
	// Backend is the id of the server's process that works for us until Clear, as
	// the server's own machine counts.
	Backend int
}

// OpenScratch makes a PostgreSQL database ready for measurements. Errors:
// fault.Refused for one that holds anything but an earlier measurement's tables;
// fault.Unavailable.
func OpenScratch(ctx context.Context, url string) (*Scratch, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "read the address of the database", errAddress)
	}
	s := &Scratch{}
	if s.conn, err = pgx.ConnectConfig(ctx, cfg); err != nil {
		return nil, failed(err, "open the database")
	}
	if err := s.claim(ctx); err != nil {
		s.conn.Close(ctx)
		return nil, err
	}
	return s, nil
}

func (s *Scratch) claim(ctx context.Context) error {
	tables, err := scratchTables(ctx, s.conn)
	if err != nil {
		return err
	}
	if len(tables) > 0 && !slices.Contains(tables, scratchMark) {
		return fault.New(fault.Refused, "the database holds tables already, such as %q; a measurement wants an empty one, which it fills and clears", tables[0])
	}
	if err := dropAll(ctx, s.conn, tables); err != nil {
		return err
	}
	if _, err := s.conn.Exec(ctx, `CREATE TABLE `+scratchMark+` (n INTEGER)`); err != nil {
		return failed(err, "mark the database as one for measurements")
	}
	return failed(s.conn.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&s.Backend), "ask for the server's process")
}

// Clear removes every table again.
func (s *Scratch) Clear(ctx context.Context) error {
	defer s.conn.Close(ctx)
	tables, err := scratchTables(ctx, s.conn)
	if err != nil {
		return err
	}
	return dropAll(ctx, s.conn, tables)
}

func scratchTables(ctx context.Context, c *pgx.Conn) ([]string, error) {
	rows, err := c.Query(ctx, `SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename`)
	if err != nil {
		return nil, failed(err, "list the tables of the database")
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return names, failed(err, "list the tables of the database")
}

// dropAll drops the mark last, so that a clearing that was broken off can go on.
func dropAll(ctx context.Context, c *pgx.Conn, tables []string) error {
	for _, mark := range []bool{false, true} {
		for _, t := range tables {
			if (t == scratchMark) != mark {
				continue
			}
			if _, err := c.Exec(ctx, `DROP TABLE IF EXISTS `+pgx.Identifier{t}.Sanitize()+` CASCADE`); err != nil {
				return failed(err, "clear the database")
			}
		}
	}
	return nil
}
