package store

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
)

// postgresEngine runs each Commit as one pipelined, implicit transaction where
// its statements need no answer on the way, and as an ordinary one otherwise.
type postgresEngine struct {
	pool *pgxpool.Pool
	cfg  Config
	seqs *IDs // numbers of the audit log, which need no round trip

	groups *pgGroups // nil where each Commit is a transaction of its own
	reads  *pgReads
	uses   *pgUses // nil as groups
}

// connectWithin bounds how long a connection that cannot be made holds a place
// in the pool.
const connectWithin = 5 * time.Second

func openPostgres(ctx context.Context, cfg Config) (engine, error) {
	c, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "read the address of the database", errAddress)
	}
	if !strings.Contains(cfg.URL, "connect_timeout") {
		c.ConnConfig.ConnectTimeout = connectWithin
	}
	c.MaxConns = int32(cfg.MaxConns)
	if cfg.MaxConns == 0 {
		c.MaxConns = int32(max(16, 4*runtime.GOMAXPROCS(0)))
	}
	if !cfg.Serializable {
		c.MaxConns = max(1, c.MaxConns-pgWriters) // theirs are of a pool of their own
	}
	if cfg.Pooled {
		c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	} else {
		maps.Copy(c.ConnConfig.RuntimeParams, rowByRow)
		c.ConnConfig.RuntimeParams["application_name"] = "renkei"
		if cfg.Serializable {
			c.ConnConfig.RuntimeParams["default_transaction_isolation"] = "serializable"
		}
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, failed(err, "open the database")
	}
	seqs, err := NewIDs(cfg.Node, cfg.Now)
	if err != nil {
		pool.Close()
		return nil, err
	}
	e := &postgresEngine{pool: pool, cfg: cfg, seqs: seqs, reads: startReads(pool)}
	if !cfg.Serializable { // where a larger transaction is only given up more often
		e.uses = startUses(pool)
		if e.groups, err = startGroups(ctx, pool, cfg); err != nil {
			e.close()
			return nil, err
		}
	}
	if err := e.ping(ctx); err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

func (e *postgresEngine) dialect() string { return "postgres" }
func (e *postgresEngine) reader() looker  { return pgReader{e.pool, e.reads} }

func (e *postgresEngine) close() error {
	if e.groups != nil {
		e.groups.close()
	}
	if e.uses != nil {
		e.uses.close()
	}
	e.reads.close()
	e.pool.Close()
	return nil
}

// ping tells whether the server can be written to: a standby answers queries too.
func (e *postgresEngine) ping(ctx context.Context) error {
	var standby, readOnly bool
	if err := e.pool.QueryRow(ctx, `SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'`).Scan(&standby, &readOnly); err != nil {
		return fault.Wrap(fault.Unavailable, "reach the database", err)
	}
	if standby {
		return fault.New(fault.Unavailable, "the database that answers is a standby and cannot be written to")
	}
	if readOnly {
		return fault.New(fault.Unavailable, "the database is set to read only")
	}
	return nil
}

// maxRepeats bounds how often a transaction is begun again that the database
// gave up for the sake of another.
const maxRepeats = 10

func (e *postgresEngine) commit(ctx context.Context, w work) error {
	ctx, cancel := carriedThrough(ctx)
	defer cancel()
	for n := 1; ; n++ {
		err := e.try(ctx, w)
		if n == maxRepeats || ctx.Err() != nil || !givenUp(err) {
			return err
		}
	}
}

// commitWithin bounds a Commit whose caller set no deadline.
const commitWithin = 10 * time.Second

// carriedThrough keeps the deadline of ctx but not its cancellation: who hangs
// up in the middle would otherwise leave a commit whose outcome nobody knows,
// and cost a connection.
func carriedThrough(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(commitWithin)
	}
	return context.WithDeadline(context.WithoutCancel(ctx), deadline)
}

// givenUp tells whether the database took a transaction back because of
// another one, so that repeating it is safe and may succeed.
func givenUp(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "40001" || e.Code == "40P01")
}

func (e *postgresEngine) try(ctx context.Context, w work) (err error) {
	t := &pgTx{engine: e}
	defer t.release()
	began := time.Now()
	alone := func(err error) error {
		e.cfg.Meter.Committed(1, time.Since(began), err == nil)
		return err
	}
	if err := w(ctx, t); err != nil {
		return err
	}
	if t.open == nil {
		if e.groups != nil && len(t.queued)+len(t.acts.seqs) > 0 {
			if err := e.groups.commit(ctx, t.queued, t.acts); err != errAlone {
				return err
			}
		}
		began = time.Now()
		return alone(t.sendAlone(ctx))
	}
	return alone(t.commit(ctx))
}

// pgTx gathers statements until an answer is needed; only then does it open a
// transaction of its own.
type pgTx struct {
	engine *postgresEngine
	open   pgx.Tx
	queued []queued
	acts   acts
}

// acts are rows of the audit log, column by column: all that a transaction
// records go in one statement.
type acts struct {
	seqs, ats                    []int64
	institutions, names, entries []string
	macs                         [][]byte
}

func (a *acts) add(r audit.Row) {
	a.seqs, a.ats, a.macs = append(a.seqs, r.Seq), append(a.ats, r.At), append(a.macs, r.MAC)
	a.institutions, a.names, a.entries = append(a.institutions, r.Institution), append(a.names, string(r.Name)), append(a.entries, r.Entry)
}

func (a *acts) addAll(b acts) {
	a.seqs, a.ats, a.macs = append(a.seqs, b.seqs...), append(a.ats, b.ats...), append(a.macs, b.macs...)
	a.institutions, a.names, a.entries = append(a.institutions, b.institutions...), append(a.names, b.names...), append(a.entries, b.entries...)
}

func (a *acts) statement() queued {
	return queued{`INSERT INTO audit (seq, institution, at, name, entry, mac)
		SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bytea[])`,
		[]any{a.seqs, a.institutions, a.ats, a.names, a.entries, a.macs}, errSameID, nil}
}

// errSameID is no Conflict: that would be taken for a replay.
var errSameID = fault.New(fault.Unavailable, "another process made the same id for a row of the audit log: do two servers have the same `node`?")

type queued struct {
	sql      string
	args     []any
	conflict error   // what it means that no row was touched, or that one is there already; nil where neither fails
	effect   *effect // nil: it goes by itself
}

const divisionByZero = "22012"

// mustTouch wraps a statement so that the server itself fails when it touches
// no row: the count is what one is divided by. Thus a whole Commit can be sent
// at once and still be taken back.
var mustTouch sync.Map // sql → wrapped

func wrapMust(sql string) string {
	if w, ok := mustTouch.Load(sql); ok {
		return w.(string)
	}
	w := `WITH touched AS (` + strings.TrimRight(strings.TrimSpace(sql), ";") + ` RETURNING 1) SELECT 1 / count(*) FROM touched`
	mustTouch.Store(sql, w)
	return w
}

func (t *pgTx) Must(ctx context.Context, sql string, args ...any) error {
	return t.MustOr(ctx, errNoMore, sql, args...)
}

func (t *pgTx) MustOr(_ context.Context, conflict error, sql string, args ...any) error {
	t.queued = append(t.queued, queued{wrapMust(sql), args, conflict, nil})
	return nil
}

func (t *pgTx) Do(_ context.Context, sql string, args ...any) error {
	t.queued = append(t.queued, queued{sql, args, nil, nil})
	return nil
}

func (t *pgTx) Keep(_ context.Context, r audit.Row) error {
	t.acts.add(r)
	return nil
}

func (t *pgTx) NextSeq() int64 { return t.engine.seqs.Next() }

func (t *pgTx) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	if err := t.begin(ctx); err != nil {
		return 0, err
	}
	tag, err := t.open.Exec(ctx, sql, args...)
	return tag.RowsAffected(), err
}

func (t *pgTx) QueryRow(ctx context.Context, sql string, args ...any) row {
	if err := t.begin(ctx); err != nil {
		return failedRow{err}
	}
	return pgRow{t.open.QueryRow(ctx, sql, args...)}
}

func (t *pgTx) Query(ctx context.Context, sql string, args ...any) (rows, error) {
	if err := t.begin(ctx); err != nil {
		return nil, err
	}
	return t.open.Query(ctx, sql, args...)
}

// begin opens the transaction, if it is not open, and sends what was queued.
func (t *pgTx) begin(ctx context.Context) (err error) {
	if t.open == nil {
		if t.open, err = t.engine.pool.BeginTx(ctx, t.engine.options()); err != nil {
			return failed(err, "begin")
		}
	}
	return t.flush(ctx)
}

func (e *postgresEngine) options() pgx.TxOptions {
	if e.cfg.Serializable {
		return pgx.TxOptions{IsoLevel: pgx.Serializable}
	}
	return pgx.TxOptions{IsoLevel: pgx.ReadCommitted}
}

// commit sends what is left and ends the open transaction.
func (t *pgTx) commit(ctx context.Context) error {
	t.queueActs()
	if err := t.flush(ctx); err != nil {
		return err
	}
	return failed(t.open.Commit(ctx), "commit")
}

func (t *pgTx) queueActs() {
	if len(t.acts.seqs) > 0 {
		t.queued = append(t.queued, t.acts.statement())
		t.acts = acts{}
	}
}

func (t *pgTx) flush(ctx context.Context) error {
	if len(t.queued) == 0 {
		return nil
	}
	return t.send(ctx, t.open)
}

// sendAlone commits everything in one round trip: a pipeline is a transaction.
func (t *pgTx) sendAlone(ctx context.Context) error {
	if t.engine.cfg.Pooled && t.engine.cfg.Serializable {
		if err := t.begin(ctx); err != nil { // the isolation has to be said
			return err
		}
		return t.commit(ctx)
	}
	t.queueActs()
	if len(t.queued) == 0 {
		return nil
	}
	return t.send(ctx, t.engine.pool)
}

func (t *pgTx) send(ctx context.Context, to interface {
	SendBatch(context.Context, *pgx.Batch) pgx.BatchResults
}) (err error) {
	b := &pgx.Batch{}
	for _, q := range t.queued {
		b.Queue(q.sql, q.args...)
	}
	results := to.SendBatch(ctx, b)
	defer func() {
		if closing := results.Close(); err == nil {
			err = failed(closing, "commit") // a deferred check, or the commit itself
		}
	}()
	for _, q := range t.queued {
		if _, err := results.Exec(); err != nil {
			return q.failed(err)
		}
	}
	t.queued = t.queued[:0]
	return nil
}

func (t *pgTx) release() {
	if t.open != nil {
		t.open.Rollback(context.Background()) // nothing to do after a commit
	}
}

// pgReader reads outside of transactions.
type pgReader struct {
	pool  *pgxpool.Pool
	reads *pgReads
}

func (r pgReader) QueryRow(ctx context.Context, sql string, args ...any) row {
	return lookedUp{ctx, r, &lookUp{one: sql}, args}
}

// lookedUp is a look-up that is made when its row is read.
type lookedUp struct {
	ctx  context.Context
	from pgReader
	look *lookUp
	args []any
}

func (l lookedUp) Scan(dest ...any) error { return find(l.ctx, l.from, l.look, dest, l.args...) }

func (r pgReader) Each(ctx context.Context, l *lookUp, scan func(int, row) error, args ...any) error {
	return (&pgRead{ctx: ctx, look: l, args: args, scan: scan, done: make(chan error, 1), reads: r.reads}).run()
}

func (r pgReader) Query(ctx context.Context, sql string, args ...any) (rows, error) {
	ctx, cancel := bounded(ctx)
	rs, err := r.pool.Query(ctx, sql, args...)
	if err != nil {
		cancel()
		return nil, err
	}
	return boundedRows{rs, cancel}, nil
}

// boundedRows end with their time.
type boundedRows struct {
	pgx.Rows
	cancel context.CancelFunc
}

func (r boundedRows) Close() {
	r.Rows.Close()
	r.cancel()
}

type pgRow struct{ row pgx.Row }

func (r pgRow) Scan(dest ...any) error {
	err := r.row.Scan(dest...)
	if errors.Is(err, pgx.ErrNoRows) {
		return errNone
	}
	return err
}
