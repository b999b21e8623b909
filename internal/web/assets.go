package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"renkei.dev/internal/fault"
)

// Assets are static files whose addresses carry a digest of their content, so
// that browsers may keep them for ever and a new release is never mixed with
// the files of an old one.
type Assets struct {
	prefix string // of addresses, with slashes around
	byName map[string]string
	files  map[string]asset
}

type asset struct {
	kind    string
	content []byte
}

// NewAssets returns an empty set whose addresses begin with prefix, e.g. "/assets/".
func NewAssets(prefix string) *Assets {
	return &Assets{prefix: prefix, byName: map[string]string{}, files: map[string]asset{}}
}

// Add puts a file into the set, in place of one with the same name. It is for
// start-up alone: later the set is read in parallel.
func (a *Assets) Add(name string, content []byte) {
	sum := sha256.Sum256(content)
	ext := path.Ext(name)
	address := a.prefix + strings.TrimSuffix(name, ext) + "." + base64.RawURLEncoding.EncodeToString(sum[:9]) + ext
	kind := mime.TypeByExtension(ext)
	switch ext { // what the page depends on is not left to the machine's tables
	case ".css":
		kind = "text/css; charset=utf-8"
	case ".js":
		kind = "text/javascript; charset=utf-8"
	case ".svg":
		kind = "image/svg+xml"
	case ".woff2":
		kind = "font/woff2"
	}
	a.byName[name] = address
	a.files[address] = asset{kind, content}
}

// AddAll puts every file of a folder into the set, by its path.
func (a *Assets) AddAll(folder fs.FS) error {
	err := fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(folder, name)
		if err == nil {
			a.Add(name, content)
		}
		return err
	})
	if err != nil {
		return fault.Wrap(fault.Invalid, "read the static files", err)
	}
	return nil
}

// Address returns where the named file is served; empty: there is none.
func (a *Assets) Address(name string) string { return a.byName[name] }

// ServeHTTP serves the files under their addresses.
func (a *Assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, ok := a.files[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", file.kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file.content))
}
