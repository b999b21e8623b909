package audit

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"renkei.dev/internal/fault"
)

// SeedSize is how many bytes of chance a Key is made of.
const SeedSize = 32

// Row is an act as it is kept. What stands beside Entry repeats parts of it, so
// that rows can be found.
type Row struct {
	Seq         int64
	Institution string
	At          int64 // microseconds
	Name        Name
	Entry       string // canonical JSON
	MAC         []byte // of Entry, under the log's key: only this program writes rows
}

// Key is the log's own: it marks rows as written by this program and signs
// checkpoints.
type Key struct {
	mac    []byte
	signer note.Signer
	public string
}

// signedAs is the name that stands in signatures.
const signedAs = "renkei-audit"

// NewKey returns the key that is made of a seed of SeedSize bytes.
func NewKey(seed []byte) (Key, error) {
	if len(seed) != SeedSize {
		return Key{}, fault.New(fault.Invalid, "the audit log's key has %d bytes, not %d", len(seed), SeedSize)
	}
	parts, err := hkdf.Key(sha256.New, seed, nil, "renkei audit", 2*32)
	if err != nil {
		return Key{}, fault.Wrap(fault.Internal, "derive the audit log's keys", err)
	}
	private := ed25519.NewKeyFromSeed(parts[:32])
	public, err := note.NewEd25519VerifierKey(signedAs, private.Public().(ed25519.PublicKey))
	if err != nil {
		return Key{}, fault.Wrap(fault.Internal, "name the audit log's key", err)
	}
	const ed25519Signature = 1 // as C2SP's signed notes number it
	hash := strings.Split(public, "+")[1]
	signer, err := note.NewSigner("PRIVATE+KEY+" + signedAs + "+" + hash + "+" +
		base64.StdEncoding.EncodeToString(append([]byte{ed25519Signature}, parts[:32]...)))
	if err != nil {
		return Key{}, fault.Wrap(fault.Internal, "read the audit log's key", err)
	}
	return Key{mac: parts[32:], signer: signer, public: public}, nil
}

// Public returns what checkpoints are verified by; it may be shown to anybody.
func (k Key) Public() string { return k.public }

// String keeps the key out of logs.
func (k Key) String() string { return "audit key " + k.public }

// GoString keeps the key out of logs.
func (k Key) GoString() string { return k.String() }

// Format keeps the key out of logs.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) }

// Row returns an act as it is kept under a number.
func (k Key) Row(seq int64, institution string, a Act) Row {
	entry := a.canonical(seq, institution)
	return Row{
		Seq: seq, Institution: institution, At: a.At.UnixMicro(), Name: a.Name,
		Entry: string(entry), MAC: k.markOf(entry),
	}
}

const markSize = 16

func (k Key) markOf(entry []byte) []byte {
	h := hmac.New(sha256.New, k.mac)
	h.Write(entry)
	return h.Sum(nil)[:markSize]
}

// Wrote tells whether r was written by this program and is unchanged since.
func (k Key) Wrote(r Row) bool {
	return subtle.ConstantTimeCompare(k.markOf([]byte(r.Entry)), r.MAC) == 1 && r.agrees()
}

// agrees tells whether what stands beside the entry repeats what is in it. The
// entry's last member is its number, so that no two rows have the same.
func (r Row) agrees() bool {
	return strings.HasSuffix(r.Entry, `,"seq":"`+strconv.FormatInt(r.Seq, 10)+`"}`) &&
		strings.Contains(r.Entry, string(appendMember(nil, "institution", r.Institution))) &&
		strings.Contains(r.Entry, string(appendMember(nil, "name", string(r.Name)))) &&
		strings.Contains(r.Entry, string(appendMember(nil, "at", micro(r.At).Format(timeLayout))))
}

// Hash is the row's leaf in the tree.
func (r Row) Hash() tlog.Hash { return tlog.RecordHash([]byte(r.Entry)) }

// Checkpoint says how many rows the tree had and what its root was.
type Checkpoint struct {
	Size int64
	Root tlog.Hash
}

const checkpointOrigin = "renkei audit log"

// Sign returns the checkpoint as a signed note (C2SP tlog-checkpoint).
func (k Key) Sign(c Checkpoint) (string, error) {
	text := fmt.Sprintf("%s\n%d\n%s\n", checkpointOrigin, c.Size, base64.StdEncoding.EncodeToString(c.Root[:]))
	signed, err := note.Sign(&note.Note{Text: text}, k.signer)
	if err != nil {
		return "", fault.Wrap(fault.Internal, "sign a checkpoint", err)
	}
	return string(signed), nil
}

// OpenCheckpoint verifies a signed checkpoint by a public key. Errors:
// fault.Invalid.
func OpenCheckpoint(public, signed string) (Checkpoint, error) {
	const doing = "read a checkpoint"
	verifier, err := note.NewVerifier(public)
	if err != nil {
		return Checkpoint{}, fault.Wrap(fault.Invalid, doing, err)
	}
	opened, err := note.Open([]byte(signed), note.VerifierList(verifier))
	if err != nil {
		return Checkpoint{}, fault.Wrap(fault.Invalid, doing, err)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != checkpointOrigin {
		return Checkpoint{}, fault.New(fault.Invalid, "%s: it is of another log", doing)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 {
		return Checkpoint{}, fault.New(fault.Invalid, "%s: %q is no size", doing, lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return Checkpoint{}, fault.Wrap(fault.Invalid, doing, err)
	}
	return Checkpoint{Size: size, Root: root}, nil
}

// packSeqs and unpackSeqs keep the order of rows in the tree: the first number,
// then the distances, since most rows follow each other closely.
func packSeqs(seqs []int64) []byte {
	var b []byte
	last := int64(0)
	for _, s := range seqs {
		b = binary.AppendVarint(b, s-last)
		last = s
	}
	return b
}

func unpackSeqs(b []byte) ([]int64, error) {
	var seqs []int64
	last := int64(0)
	for len(b) > 0 {
		d, n := binary.Varint(b)
		if n <= 0 {
			return nil, fault.New(fault.Invalid, "the order of the audit log's rows cannot be read")
		}
		last += d
		seqs = append(seqs, last)
		b = b[n:]
	}
	return seqs, nil
}
