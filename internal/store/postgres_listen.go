package store

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
)

// channel is where changes are announced, to everybody on the same database.
const channel = "renkei_news"

const (
	// askEvery is how often the listening connection proves that it still hears:
	// between two proofs what is kept in memory must not run out.
	askEvery = 150 * time.Millisecond
	// answerWithin is when a connection that does not answer is given up. Long
	// before, nobody relies on it.
	answerWithin = 5 * time.Second
	// listenAgain is the wait after a failure.
	listenAgain = 100 * time.Millisecond
	// proofWithin is how long our own announcement may be under way.
	proofWithin = 2 * time.Second
)

// pgListener hears what other nodes announce, over a connection of its own.
type pgListener struct {
	cfg  Config
	pool *pgxpool.Pool // announces by the way that Commits take
	news *news
	log  *slog.Logger

	proof  string // what we announce to ourselves
	proven bool

	stop  context.CancelFunc
	ended chan struct{}
}

func startListener(cfg Config, pool *pgxpool.Pool, n *news) *pgListener {
	ctx, stop := context.WithCancel(context.Background())
	l := &pgListener{cfg: cfg, pool: pool, news: n, log: cfg.Log, stop: stop, ended: make(chan struct{})}
	go l.run(ctx)
	return l
}

func (l *pgListener) close() {
	l.stop()
	<-l.ended
}

// run listens until it is stopped. While it cannot, what is kept in memory is
// only as good as its age; one line in the log says so, one that it is over.
func (l *pgListener) run(ctx context.Context) {
	defer close(l.ended)
	silent := false
	for ctx.Err() == nil {
		err := l.listen(ctx, func() {
			if silent {
				l.log.Info("news of other nodes come in again")
			}
			silent = false
		})
		l.news.deaf()
		if ctx.Err() != nil {
			return
		}
		if !silent {
			l.log.Warn("no news of other nodes come in: everything is read again every half second", "error", err)
		}
		silent = true
		select {
		case <-ctx.Done():
		case <-time.After(listenAgain):
		}
	}
}

func (l *pgListener) listen(ctx context.Context, hearing func()) error {
	c, err := pgx.ParseConfig(directURL(l.cfg))
	if err != nil {
		return errAddress
	}
	c.RuntimeParams["application_name"] = "renkei news"
	c.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) { l.hear(n.Payload) }
	connecting, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	conn, err := pgx.ConnectConfig(connecting, c)
	if err != nil {
		return failed(err, "connect to hear news")
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(connecting, "LISTEN "+channel); err != nil {
		return failed(err, "listen for news")
	}
	if err := l.prove(connecting, conn.PgConn()); err != nil {
		return err
	}
	l.claimNode(connecting, conn)
	l.news.missed() // what was announced before
	hearing()
	for {
		asked := time.Now()
		if err := l.ask(ctx, conn); err != nil {
			return failed(err, "hear news")
		}
		l.news.heard(asked)
		if err := await(ctx, conn.PgConn(), askEvery, func() bool { return false }); err != nil {
			return failed(err, "hear news")
		}
	}
}

// claimNode takes the node's number for as long as the connection stands, and
// says so when another server has it: two with the same number make the same ids.
// Nothing is refused, since a connection that broke may hold it for a while.
func (l *pgListener) claimNode(ctx context.Context, conn *pgx.Conn) {
	const ours = 0x72656e6b
	var mine bool
	err := conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1::int, $2::int)`, ours, l.cfg.Node).Scan(&mine)
	if err == nil && !mine && l.cfg.Node != CommandNode {
		l.log.Error("another server on this database has the same number: give each its own `node`, or both make the same ids", "node", l.cfg.Node)
	}
}

// ask makes the connection answer: whatever was announced before has come in then.
func (l *pgListener) ask(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	return conn.Ping(ctx)
}

// prove announces something by the way that Commits take and waits for it. Behind
// a pooler that lends its connections for one transaction, LISTEN succeeds and
// nothing ever comes in.
func (l *pgListener) prove(ctx context.Context, conn *pgconn.PgConn) error {
	l.proof, l.proven = "proof "+secret.Random(12).Reveal(), false
	if _, err := l.pool.Exec(ctx, announcement, l.proof); err != nil {
		return failed(err, "announce something")
	}
	if err := await(ctx, conn, proofWithin, func() bool { return l.proven }); err != nil {
		return failed(err, "hear our own news")
	}
	if !l.proven {
		return fault.New(fault.Unavailable, "what is announced does not come in: does database.url lead through a pooler, and database.direct_url not around it?")
	}
	return nil
}

// await takes in what comes until enough or for d. It runs in the one goroutine
// that uses the connection, as OnNotification does.
func await(ctx context.Context, conn *pgconn.PgConn, d time.Duration, enough func() bool) error {
	waiting, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	for !enough() {
		if err := conn.WaitForNotification(waiting); err != nil {
			if waiting.Err() != nil && ctx.Err() == nil && !conn.IsClosed() {
				return nil
			}
			return err
		}
	}
	return nil
}

func (l *pgListener) hear(payload string) {
	if payload == l.proof {
		l.proven = true
	}
	l.news.changed(payload)
}

const announcement = `SELECT pg_notify('` + channel + `', $1)`

// Announce tells all nodes once the transaction is committed.
func (t *pgTx) Announce(ctx context.Context, topic string) error {
	if t.engine.cfg.Silent {
		return nil
	}
	return t.Do(ctx, announcement, topic)
}
