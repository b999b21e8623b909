package store

import (
	"encoding/binary"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// wireRow is the current row of rows. What look-ups read, numbers, texts and bytes,
// it reads as it stands in the message; all else, and every error, is pgx's.
type wireRow struct {
	rows     pgx.Rows
	numbered bool // whether the row begins with a number that is not asked for
	// texts are those of the row before, by column: clients, states and scopes repeat
	// within a group, and cost memory once.
	texts []string
}

func (r *wireRow) Scan(dest ...any) error {
	values, fields := r.rows.RawValues(), r.rows.FieldDescriptions()
	if r.numbered {
		values, fields = values[1:], fields[1:]
	}
	if r.texts == nil {
		r.texts = make([]string, len(values))
	}
	if len(dest) == len(values) && r.readPlain(values, fields, dest) {
		return nil
	}
	if r.numbered {
		dest = append(append(make([]any, 0, 1+len(dest)), nil), dest...)
	}
	return r.rows.Scan(dest...)
}

// readPlain reads values of the common types; false when one is of another, or NULL
// where there must be a value.
func (r *wireRow) readPlain(values [][]byte, fields []pgconn.FieldDescription, dest []any) bool {
	for i, v := range values {
		f := &fields[i]
		switch d := dest[i].(type) {
		case *string:
			if v == nil || f.DataTypeOID != pgtype.TextOID {
				return false
			}
			if r.texts[i] != string(v) {
				r.texts[i] = string(v)
			}
			*d = r.texts[i]
		case *int64:
			n, ok := readInt(v, f)
			if !ok {
				return false
			}
			*d = n
		case *int:
			n, ok := readInt(v, f)
			if !ok {
				return false
			}
			*d = int(n)
		case *[]byte:
			switch {
			case f.DataTypeOID != pgtype.ByteaOID || f.Format != pgx.BinaryFormatCode:
				return false
			case v == nil:
				*d = nil
			default:
				*d = append(make([]byte, 0, len(v)), v...)
			}
		default:
			return false
		}
	}
	return true
}

func readInt(v []byte, f *pgconn.FieldDescription) (int64, bool) {
	switch {
	case f.Format != pgx.BinaryFormatCode:
		return 0, false
	case f.DataTypeOID == pgtype.Int8OID && len(v) == 8:
		return int64(binary.BigEndian.Uint64(v)), true
	case f.DataTypeOID == pgtype.Int4OID && len(v) == 4:
		return int64(int32(binary.BigEndian.Uint32(v))), true
	}
	return 0, false
}

// numberIn returns the number that a row begins with, 0 for none.
func numberIn(rows pgx.Rows) int {
	raw := rows.RawValues()[0]
	if rows.FieldDescriptions()[0].Format == pgx.BinaryFormatCode && len(raw) == 8 {
		return int(binary.BigEndian.Uint64(raw))
	}
	n, err := strconv.Atoi(string(raw))
	if err != nil {
		return 0
	}
	return n
}
