package store

import (
	"context"
	"errors"
	"sync"

	"renkei.dev/internal/fault"
)

// sqliteReaders is a pool of connections that can only read. The one that was
// used last is used next, because its cache holds what was read last.
type sqliteReaders struct {
	address string
	places  chan struct{} // one for each connection that may be taken

	mu     sync.Mutex
	free   []*sqliteConn
	closed bool
}

func newSQLiteReaders(address string, n int) *sqliteReaders {
	p := &sqliteReaders{address: address, places: make(chan struct{}, n), free: make([]*sqliteConn, 0, n)}
	for range n {
		p.places <- struct{}{}
	}
	return p
}

func (p *sqliteReaders) QueryRow(ctx context.Context, sql string, args ...any) row {
	return &sqliteLookUp{ctx, p, sql, args}
}

// sqliteLookUp is the first row of a query that is made when it is read.
type sqliteLookUp struct {
	ctx     context.Context
	readers *sqliteReaders
	sql     string
	args    []any
}

func (l *sqliteLookUp) Scan(dest ...any) (err error) {
	c, err := l.readers.take(l.ctx)
	if err != nil {
		return err
	}
	defer func() { l.readers.give(c, err) }()
	return c.first(l.sql, l.args, dest)
}

func (p *sqliteReaders) Query(ctx context.Context, sql string, args ...any) (_ rows, err error) {
	c, err := p.take(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { p.give(c, err) }()
	return c.Query(ctx, sql, args...)
}

func (p *sqliteReaders) Each(ctx context.Context, l *lookUp, scan func(int, row) error, args ...any) (err error) {
	c, err := p.take(ctx)
	if err != nil {
		return err
	}
	defer func() { p.give(c, err) }()
	return c.look(l, args, scan)
}

// Together looks in one read transaction, which costs locks of the file and a look at
// the log once, and is one snapshot.
func (p *sqliteReaders) Together(ctx context.Context, all ...asked) (err error) {
	c, err := p.take(ctx)
	if err != nil {
		return err
	}
	defer func() { p.give(c, err) }()
	if len(all) > 1 {
		if _, err := c.Exec(ctx, `BEGIN`); err != nil {
			return err
		}
		defer func() {
			if ending := c.endReading(ctx); err == nil {
				err = ending
			}
		}()
	}
	for i := 0; err == nil && i < len(all); i++ {
		err = c.look(all[i].look, all[i].args, all[i].scan)
	}
	return err
}

// endReading ends a read transaction, unless a failure on the way has.
func (c *sqliteConn) endReading(ctx context.Context) error {
	if c.conn.AutocommitEnabled() {
		return nil
	}
	_, err := c.Exec(ctx, `COMMIT`)
	return err
}

// take waits for a connection, until ctx ends.
func (p *sqliteReaders) take(ctx context.Context) (*sqliteConn, error) {
	select {
	case <-p.places:
	default:
		select {
		case <-p.places:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if err := ctx.Err(); err != nil {
		p.places <- struct{}{}
		return nil, err
	}
	p.mu.Lock()
	var c *sqliteConn
	if last := len(p.free) - 1; last >= 0 {
		c, p.free = p.free[last], p.free[:last]
	}
	closed := p.closed
	p.mu.Unlock()
	var err error
	switch {
	case closed:
		err = fault.New(fault.Unavailable, "the database is closed")
	case c == nil:
		c, err = connectSQLite(context.Background(), p.address, readingOnly)
	}
	if err != nil {
		p.places <- struct{}{}
		return nil, err
	}
	return c, nil
}

// give gives a connection back after what became of its use. One that failed inside
// of a transaction, and is in it still, is of no more use.
func (p *sqliteReaders) give(c *sqliteConn, err error) {
	if err != nil && (brokenSQLite(err) || !c.conn.AutocommitEnabled()) {
		c.close()
	} else {
		p.mu.Lock()
		p.free = append(p.free, c)
		p.mu.Unlock()
	}
	p.places <- struct{}{}
}

// close closes all connections; it waits for those in use.
func (p *sqliteReaders) close() error {
	for range cap(p.places) {
		<-p.places
	}
	defer func() {
		for range cap(p.places) {
			p.places <- struct{}{}
		}
	}()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	var errs []error
	for _, c := range p.free {
		errs = append(errs, c.close())
	}
	p.free = nil
	return errors.Join(errs...)
}
