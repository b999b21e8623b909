package store

import (
	"context"
	"math/bits"

	"github.com/jackc/pgx/v5"
)

// uses is where a connection counts how often it was taken.
const uses = "renkei.uses"

// plansAnew makes a connection forget its plans after 64, 256 … 16,384 uses. While
// a table is empty and nobody has counted its rows, every index that begins with
// the institution seems as good as the primary key; the plan made then reads all
// rows of the institution until PostgreSQL has analyzed the table, a minute later.
// A plan made anew sees at least how large the table has become.
func plansAnew(ctx context.Context, c *pgx.Conn) (usable bool, err error) {
	data := c.PgConn().CustomData()
	n, _ := data[uses].(*uint)
	if n == nil {
		n = new(uint)
		data[uses] = n
	}
	*n++
	if bits.OnesCount(*n) != 1 || bits.TrailingZeros(*n)%2 == 1 || *n < 1<<6 || *n > 1<<14 {
		return true, nil
	}
	_, err = c.PgConn().Exec(ctx, `DISCARD PLANS`).ReadAll()
	return err == nil, nil
}
