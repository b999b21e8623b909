package audit

import (
	"context"
	"errors"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"renkei.dev/internal/fault"
)

// TileHeight is the height of the tiles that the tree is kept in: 256 hashes.
const TileHeight = 8

const tileWidth = 1 << TileHeight

// Shelf is where the tree stands: tiles of hashes, and the order of the rows
// that are its leaves.
type Shelf interface {
	// Tile returns the hashes of a tile, as many as there are; empty when there
	// is no such tile.
	Tile(ctx context.Context, level int, n int64) ([]byte, error)
	// Order returns the numbers of the rows below tile n of level 0, packed;
	// empty when there are none.
	Order(ctx context.Context, n int64) ([]byte, error)
}

// NewTile is a tile to be kept in place of what stands there.
type NewTile struct {
	Level  int
	N      int64
	Hashes []byte
	Order  []byte // of level 0 alone
}

// Growth is what sealing rows adds to the tree.
type Growth struct {
	Checkpoint Checkpoint
	Tiles      []NewTile
}

// Grow adds rows to the tree of a checkpoint. It authenticates what it reads
// from the shelf, so that a tree which somebody changed is not built upon:
// fault.Internal.
func Grow(ctx context.Context, shelf Shelf, from Checkpoint, rows []Row) (Growth, error) {
	const doing = "seal the audit log"
	o := &overlay{old: shelfReader(ctx, shelf, from), known: map[int64]tlog.Hash{}}
	size := from.Size
	for _, r := range rows {
		hashes, err := tlog.StoredHashesForRecordHash(size, r.Hash(), o)
		if err != nil {
			return Growth{}, fault.Wrap(kindOf(err), doing, err)
		}
		first := tlog.StoredHashIndex(0, size)
		for i, h := range hashes {
			o.known[first+int64(i)] = h
		}
		size++
	}
	root, err := tlog.TreeHash(size, o)
	if err != nil {
		return Growth{}, fault.Wrap(kindOf(err), doing, err)
	}
	g := Growth{Checkpoint: Checkpoint{Size: size, Root: root}}
	for _, t := range tlog.NewTiles(TileHeight, from.Size, size) {
		data, err := tlog.ReadTileData(t, o)
		if err != nil {
			return Growth{}, fault.Wrap(kindOf(err), doing, err)
		}
		tile := NewTile{Level: t.L, N: t.N, Hashes: data}
		if t.L == 0 {
			if tile.Order, err = orderOf(ctx, shelf, t, from.Size, rows); err != nil {
				return Growth{}, fault.Wrap(kindOf(err), doing, err)
			}
		}
		g.Tiles = append(g.Tiles, tile)
	}
	return g, nil
}

func kindOf(err error) fault.Kind { return fault.Of(err) }

// orderOf returns the order of the rows below a tile of level 0: those that
// stood there, then the new ones.
func orderOf(ctx context.Context, shelf Shelf, t tlog.Tile, size int64, rows []Row) ([]byte, error) {
	first := t.N * tileWidth
	var seqs []int64
	if first < size {
		packed, err := shelf.Order(ctx, t.N)
		if err != nil {
			return nil, err
		}
		if seqs, err = unpackSeqs(packed); err != nil {
			return nil, err
		}
		if int64(len(seqs)) < size-first {
			return nil, fault.New(fault.Internal, "the order of the audit log's rows from %d is cut off", first)
		}
		seqs = seqs[:size-first] // a tile that was never signed may have got further
	}
	for i := first + int64(len(seqs)); i < first+int64(t.W); i++ {
		seqs = append(seqs, rows[i-size].Seq)
	}
	return packSeqs(seqs), nil
}

// overlay reads new hashes from memory and old ones from the shelf.
type overlay struct {
	old   tlog.HashReader
	known map[int64]tlog.Hash
}

func (o *overlay) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var missing []int64
	for _, i := range indexes {
		if _, ok := o.known[i]; !ok {
			missing = append(missing, i)
		}
	}
	if len(missing) > 0 {
		hashes, err := o.old.ReadHashes(missing)
		if err != nil {
			return nil, err
		}
		for i, h := range hashes {
			o.known[missing[i]] = h
		}
	}
	all := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		all[i] = o.known[index]
	}
	return all, nil
}

// shelfReader reads hashes that are proved to be in the tree of a checkpoint.
func shelfReader(ctx context.Context, shelf Shelf, c Checkpoint) tlog.HashReader {
	return tlog.TileHashReader(tlog.Tree{N: c.Size, Hash: c.Root}, &tileReader{ctx, shelf})
}

type tileReader struct {
	ctx   context.Context // of the one call that the reader was made for
	shelf Shelf
}

func (*tileReader) Height() int                     { return TileHeight }
func (*tileReader) SaveTiles([]tlog.Tile, [][]byte) {}

var errCut = errors.New("a tile of the audit log's tree is cut off")

func (r *tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	all := make([][]byte, len(tiles))
	for i, t := range tiles {
		data, err := r.shelf.Tile(r.ctx, t.L, t.N)
		if err != nil {
			return nil, err
		}
		if len(data) < t.W*tlog.HashSize {
			return nil, errCut
		}
		all[i] = data[:t.W*tlog.HashSize]
	}
	return all, nil
}

// Proof shows that a row is in the log that a checkpoint was signed for.
type Proof struct {
	Entry      string      `json:"entry"`      // canonical JSON
	Index      int64       `json:"index"`      // which leaf it is, from 0
	Checkpoint string      `json:"checkpoint"` // signed note
	Hashes     []tlog.Hash `json:"hashes"`     // from the leaf up
}

// Prove returns the proof of the row at index; signed is a checkpoint that is
// newer than it. Errors: fault.Invalid for a checkpoint that is not ours.
func Prove(ctx context.Context, shelf Shelf, public, signed string, index int64, entry string) (Proof, error) {
	c, err := OpenCheckpoint(public, signed)
	if err != nil {
		return Proof{}, err
	}
	if index >= c.Size {
		return Proof{}, fault.New(fault.NotFound, "row %d is not sealed yet", index)
	}
	hashes, err := tlog.ProveRecord(c.Size, index, shelfReader(ctx, shelf, c))
	if err != nil {
		return Proof{}, fault.Wrap(kindOf(err), "prove a row of the audit log", err)
	}
	return Proof{Entry: entry, Index: index, Checkpoint: signed, Hashes: hashes}, nil
}

// Check tells whether a proof holds, by the log's public key alone. Errors:
// fault.Invalid.
func (p Proof) Check(public string) error {
	c, err := OpenCheckpoint(public, p.Checkpoint)
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(p.Hashes, c.Size, c.Root, p.Index, tlog.RecordHash([]byte(p.Entry))); err != nil {
		return fault.Wrap(fault.Invalid, "check a proof", err)
	}
	return nil
}

func micro(us int64) time.Time { return time.UnixMicro(us).UTC() }
