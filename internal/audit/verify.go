package audit

import (
	"bytes"
	"context"
	"fmt"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"renkei.dev/internal/fault"
)

// Book is the whole log as a verifier reads it.
type Book interface {
	Shelf
	// Checkpoints returns all signed checkpoints, oldest first.
	Checkpoints(ctx context.Context) ([]string, error)
	// Between returns the rows with numbers from first to last, by number.
	Between(ctx context.Context, first, last int64) ([]Row, error)
	// Numbers returns up to limit numbers above after, rising.
	Numbers(ctx context.Context, after int64, limit int) ([]int64, error)
	// Gapless tells whether numbers follow each other without gaps.
	Gapless() bool
}

// Report is what verifying a log found.
type Report struct {
	Sealed      int64  // rows in the tree
	Root        string // of the tree, as text
	Checkpoints int    // that were verified
	Pending     int64  // good rows that wait to be sealed
	Bad         *Bad   // nil: nothing was changed
}

// Bad is the first thing in the log that is not as it was written.
type Bad struct {
	Seq   int64 // the row's number; 0 where a row cannot be named
	Index int64 // its place in the tree, from 0; -1 where it has none
	What  string
}

func (b Bad) String() string {
	if b.Seq == 0 {
		return b.What
	}
	return fmt.Sprintf("row %d %s", b.Seq, b.What)
}

// Verify reads the whole log and tells the first row that was edited, deleted,
// inserted, moved or cut off since it was written. known are checkpoints that
// were kept elsewhere, which alone can show that the log as a whole was set back.
// Only a log that cannot be read is an error.
func Verify(ctx context.Context, book Book, key Key, known ...string) (Report, error) {
	v := verifier{book: book, key: key}
	if bad, err := v.openCheckpoints(ctx, known); err != nil || bad != nil {
		v.report.Bad = bad
		return v.report, err
	}
	bad, err := v.walk(ctx)
	if err != nil {
		return v.report, err
	}
	stranger, err := v.strangers(ctx)
	if err != nil {
		return v.report, err
	}
	if stranger != nil && (bad == nil || bad.Seq == 0 || stranger.Seq < bad.Seq) {
		bad = stranger
	}
	v.report.Bad = bad
	return v.report, nil
}

type verifier struct {
	book        Book
	key         Key
	checkpoints []Checkpoint // rising sizes
	size        int64        // of the newest
	seqs        []int64      // of the sealed rows, by place
	tree        frontier
	report      Report
}

func (v *verifier) openCheckpoints(ctx context.Context, known []string) (*Bad, error) {
	stored, err := v.book.Checkpoints(ctx)
	if err != nil {
		return nil, err
	}
	for i, signed := range slices.Concat(stored, known) {
		c, err := OpenCheckpoint(v.key.Public(), signed)
		if err != nil {
			return &Bad{Index: -1, What: fmt.Sprintf("checkpoint %d of %d carries no signature of this log", i+1, len(stored)+len(known))}, nil
		}
		v.checkpoints = append(v.checkpoints, c)
		if i < len(stored) {
			v.size = max(v.size, c.Size)
		}
	}
	slices.SortStableFunc(v.checkpoints, func(a, b Checkpoint) int { return int(a.Size - b.Size) })
	return nil, nil
}

// walk goes through the sealed rows in the order of the tree and rebuilds it.
func (v *verifier) walk(ctx context.Context) (*Bad, error) {
	if bad := v.passCheckpoints(); bad != nil {
		return bad, nil
	}
	for n := int64(0); n*tileWidth < v.size; n++ {
		bad, err := v.walkTile(ctx, n)
		if err != nil || bad != nil {
			return bad, err
		}
	}
	if len(v.checkpoints) > 0 { // one from elsewhere that knows more rows than there are
		return &Bad{Index: v.size, What: fmt.Sprintf("the log ends after %d sealed rows, but once had %d: what followed was cut off", v.size, v.checkpoints[0].Size)}, nil
	}
	return nil, nil
}

func (v *verifier) walkTile(ctx context.Context, n int64) (*Bad, error) {
	first := n * tileWidth
	width := int(min(v.size-first, tileWidth))
	packed, err := v.book.Order(ctx, n)
	if err != nil {
		return nil, err
	}
	leaves, err := v.book.Tile(ctx, 0, n)
	if err != nil {
		return nil, err
	}
	seqs, err := unpackSeqs(packed)
	if err != nil || len(seqs) < width || len(leaves) < width*tlog.HashSize {
		return &Bad{Index: first, What: fmt.Sprintf("the tree was cut off or changed below its leaves %d to %d", first, first+int64(width)-1)}, nil
	}
	seqs = seqs[:width]
	v.seqs = append(v.seqs, seqs...)
	rows, err := v.book.Between(ctx, slices.Min(seqs), slices.Max(seqs))
	if err != nil {
		return nil, err
	}
	bySeq := make(map[int64]Row, len(rows))
	for _, r := range rows {
		bySeq[r.Seq] = r
	}
	for i, seq := range seqs {
		row, ok := bySeq[seq]
		leaf := row.Hash()
		index := first + int64(i)
		switch {
		case !ok:
			return &Bad{seq, index, "is missing"}, nil
		case !v.key.Wrote(row):
			return &Bad{seq, index, "was changed"}, nil
		case !bytes.Equal(leaf[:], leaves[i*tlog.HashSize:(i+1)*tlog.HashSize]):
			return &Bad{seq, index, "is not what was sealed in its place: it was replaced, or the tree was"}, nil
		}
		v.tree.add(leaf)
		v.report.Sealed++
		if bad := v.passCheckpoints(); bad != nil {
			bad.Seq = seq
			return bad, nil
		}
	}
	return nil, nil
}

// passCheckpoints compares the tree as far as it is rebuilt with the checkpoints
// of just this size.
func (v *verifier) passCheckpoints() *Bad {
	for len(v.checkpoints) > 0 && v.checkpoints[0].Size == v.tree.size {
		if root := v.tree.root(); root != v.checkpoints[0].Root {
			return &Bad{Index: v.tree.size - 1, What: fmt.Sprintf("or one before it is not what was signed: the checkpoint of %d rows has another root", v.tree.size)}
		} else {
			v.report.Root = root.String()
		}
		v.checkpoints = v.checkpoints[1:]
		v.report.Checkpoints++
	}
	return nil
}

// strangers looks for rows that are in the log but not in the tree: they wait
// to be sealed, or somebody put them there.
func (v *verifier) strangers(ctx context.Context) (*Bad, error) {
	sealed := slices.Clone(v.seqs)
	slices.Sort(sealed)
	after, next := int64(-1<<63), int64(1)
	if len(sealed) > 0 {
		next = sealed[len(sealed)-1] + 1
	}
	for {
		numbers, err := v.book.Numbers(ctx, after, 4096)
		if err != nil || len(numbers) == 0 {
			return nil, err
		}
		for _, seq := range numbers {
			if _, ok := slices.BinarySearch(sealed, seq); ok {
				continue
			}
			rows, err := v.book.Between(ctx, seq, seq)
			if err != nil {
				return nil, err
			}
			switch {
			case len(rows) != 1:
				continue // it went while we read
			case !v.key.Wrote(rows[0]):
				return &Bad{seq, -1, "was not written by this program: it was inserted, or changed before it was sealed"}, nil
			case v.book.Gapless() && seq > next:
				return &Bad{next, -1, "is missing"}, nil
			}
			next = seq + 1
			v.report.Pending++
		}
		after = numbers[len(numbers)-1]
	}
}

// frontier is a tree of which only the roots of full subtrees are kept.
type frontier struct {
	size  int64
	roots []tlog.Hash // of the subtrees, the largest first
}

func (f *frontier) add(leaf tlog.Hash) {
	f.roots = append(f.roots, leaf)
	f.size++
	for range bits.TrailingZeros64(uint64(f.size)) {
		n := len(f.roots)
		f.roots = append(f.roots[:n-2], tlog.NodeHash(f.roots[n-2], f.roots[n-1]))
	}
}

func (f *frontier) root() tlog.Hash {
	if len(f.roots) == 0 {
		h, _ := tlog.TreeHash(0, nil) // the hash of nothing, which reads nothing
		return h
	}
	h := f.roots[len(f.roots)-1]
	for i := len(f.roots) - 2; i >= 0; i-- {
		h = tlog.NodeHash(f.roots[i], h)
	}
	return h
}

// IndexOf returns the place of a row in the tree of a checkpoint. Errors:
// fault.NotFound when it is not sealed.
func IndexOf(ctx context.Context, shelf Shelf, c Checkpoint, seq int64) (int64, error) {
	for n := int64(0); n*tileWidth < c.Size; n++ {
		packed, err := shelf.Order(ctx, n)
		if err != nil {
			return 0, err
		}
		seqs, err := unpackSeqs(packed)
		if err != nil {
			return 0, err
		}
		if i := slices.Index(seqs, seq); i >= 0 && n*tileWidth+int64(i) < c.Size {
			return n*tileWidth + int64(i), nil
		}
	}
	return 0, fault.New(fault.NotFound, "row %d is not sealed", seq)
}

// SealedSince returns which numbers from oldest on are in the tree; it reads
// back from its end as far as they go.
func SealedSince(ctx context.Context, shelf Shelf, c Checkpoint, oldest int64) (map[int64]bool, error) {
	sealed := map[int64]bool{}
	for n := (c.Size - 1) / tileWidth; n >= 0 && c.Size > 0; n-- {
		packed, err := shelf.Order(ctx, n)
		if err != nil {
			return nil, err
		}
		seqs, err := unpackSeqs(packed)
		if err != nil {
			return nil, err
		}
		for _, s := range seqs {
			sealed[s] = true
		}
		if len(seqs) > 0 && slices.Max(seqs) < oldest {
			break
		}
	}
	return sealed, nil
}
