package demo

import (
	"embed"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"renkei.dev/internal/fault"
)

// Names in the data directory.
const (
	noteFile      = "renkei-demo.json" // which ports the data were made for; marks the folder as ours
	manifestFile  = "demo.json"
	storeFile     = "renkei.db"
	logFile       = "audit-checkpoints"
	bankFile      = "bank.db"
	keysFolder    = "keys"
	partnerFolder = "partners"
	brandFolder   = "brand"
	issuedFolder  = "certificates"
	caFile        = "ca.pem" // what browsers are asked to trust
)

// folder is the demo's data directory.
type folder string

// note is what a data directory says of itself.
type note struct {
	Port     int    `json:"port"`               // the first of the ports, which stand in what browsers and partners keep
	Database string `json:"database,omitempty"` // empty: SQLite in the directory
	Seeded   bool   `json:"seeded"`             // whether the inquiry PINs were put into their first states
}

func (f folder) path(names ...string) string {
	return filepath.Join(append([]string{string(f)}, names...)...)
}

// open makes the directory, or takes one that a demo made before; fresh tells
// which. Errors: fault.Refused for a directory with other people's files.
func (f folder) open() (known note, fresh bool, err error) {
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return note{}, false, fault.New(fault.Unavailable, "the data directory %s cannot be made (%s); name another one with --data", f, short(err))
	}
	known, err = f.note()
	if !errors.Is(err, fault.NotFound) {
		return known, false, err
	}
	entries, err := os.ReadDir(string(f))
	if err != nil {
		return note{}, false, fault.New(fault.Unavailable, "the data directory %s cannot be read (%s); name another one with --data", f, short(err))
	}
	for _, e := range entries {
		if e.Name() != issuedFolder && e.Name() != brandFolder && e.Name() != caFile { // what a reset leaves
			return note{}, false, fault.New(fault.Refused, "%s holds files that are not a demo's; name an empty or new directory with --data", f)
		}
	}
	return note{}, true, nil
}

// note reads what the directory says of itself. Errors: fault.NotFound.
func (f folder) note() (note, error) {
	data, err := os.ReadFile(f.path(noteFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return note{}, fault.New(fault.NotFound, "there is no demo in %s: run `renkei demo` first, or name its directory with --data", f)
	case err != nil:
		return note{}, fault.New(fault.Unavailable, "the data directory %s cannot be read (%s); name another one with --data", f, short(err))
	}
	var known note
	if json.Unmarshal(data, &known) != nil || known.Port <= 0 || known.Port > 65535-portCount {
		return note{}, fault.New(fault.Invalid, "the data directory %s is damaged (%s cannot be read); start anew with --reset", f, noteFile)
	}
	return known, nil
}

func (f folder) keep(n note) error {
	data, err := json.Marshal(n)
	if err != nil {
		return fault.Wrap(fault.Internal, "write the note", err)
	}
	return f.write(noteFile, append(data, '\n'))
}

// reset takes away everything that a demo made, except the authorities and the
// certificates that browsers may hold by now. It touches nothing in a directory
// that no demo made.
func (f folder) reset() error {
	if _, err := os.Stat(f.path(noteFile)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fault.New(fault.Unavailable, "the data directory %s cannot be read (%s); name another one with --data", f, short(err))
	}
	gone := []string{manifestFile, attackFile, keysFolder, partnerFolder}
	for _, db := range []string{storeFile, bankFile} {
		gone = append(gone, db, db+"-wal", db+"-shm")
	}
	gone = append(gone, logFile)
	for _, name := range append(gone, noteFile) { // the note last: a reset that broke off can be done again
		if err := f.remove(name); err != nil {
			return err
		}
	}
	return nil
}

func (f folder) remove(name string) error {
	if err := os.RemoveAll(f.path(name)); err != nil {
		return fault.New(fault.Unavailable, "%s cannot be removed (%s); remove it and start again", f.path(name), short(err))
	}
	return nil
}

// write puts a file of ours into place, whole or not at all.
func (f folder) write(name string, data []byte) error {
	path := f.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fault.New(fault.Unavailable, "%s cannot be made (%s)", filepath.Dir(path), short(err))
	}
	next := path + ".new"
	err := os.WriteFile(next, data, 0o600)
	if err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		return fault.New(fault.Unavailable, "%s cannot be written (%s)", path, short(err))
	}
	return nil
}

// kept returns the file's content, or what made gives, which is then kept.
func (f folder) kept(name string, made func() ([]byte, error)) ([]byte, error) {
	data, err := os.ReadFile(f.path(name))
	if err == nil {
		return data, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Unavailable, "%s cannot be read (%s)", f.path(name), short(err))
	}
	if data, err = made(); err != nil {
		return nil, err
	}
	return data, f.write(name, data)
}

//go:embed brand
var builtInBrand embed.FS

// brand puts the demo bank's looks into the directory, where whoever likes can
// change them; what is there already stays.
func (f folder) brand() error {
	return fs.WalkDir(builtInBrand, brandFolder, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		_, err = f.kept(filepath.FromSlash(name), func() ([]byte, error) { return builtInBrand.ReadFile(name) })
		return err
	})
}

// short leaves out of an error the path, which stands in the sentence around it.
func short(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}
