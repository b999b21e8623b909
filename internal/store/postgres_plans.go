package store

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
)

// rowByRow makes PostgreSQL look for each row by its key, by a plan that is made once: it
// would plan anew each time for short arrays, and what is cheaper while a table has a
// page or two would read all of it later.
var rowByRow = map[string]string{
	"plan_cache_mode": "force_generic_plan",
	"enable_seqscan":  "off", "enable_hashjoin": "off", "enable_mergejoin": "off", "jit": "off",
	"cpu_tuple_cost": "1", "cpu_index_tuple_cost": "1",
}

// taken is where a connection counts how often it was taken.
const taken = "renkei.taken"

// countRows lets PostgreSQL count the rows of tables that have grown and that it
// never counted, every 16th of the first times that a connection is taken. Until
// then every index that begins with the institution seems to it as good as the
// primary key, and it reads all rows of the institution to find one; by itself it
// counts a minute later. The plans of all connections are made anew by it.
func countRows(ctx context.Context, c *pgx.Conn) (usable bool, err error) {
	data := c.PgConn().CustomData()
	n, _ := data[taken].(*uint)
	if n == nil {
		n = new(uint)
		data[taken] = n
	}
	*n++
	if *n%16 != 0 || *n > 2048 {
		return true, nil
	}
	found, err := c.PgConn().Exec(ctx, `SELECT quote_ident(relname) FROM pg_class
		WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND reltuples <= 0 AND pg_relation_size(oid) >= 32768`).ReadAll()
	if err != nil {
		return false, nil
	}
	var tables []string
	for _, r := range found[0].Rows {
		tables = append(tables, string(r[0]))
	}
	if len(tables) > 0 {
		_, err = c.PgConn().Exec(ctx, `ANALYZE (SKIP_LOCKED) `+strings.Join(tables, ", ")).ReadAll() // who does not own one is only warned
	}
	return err == nil, nil
}
