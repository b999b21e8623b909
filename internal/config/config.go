// Package config reads the file by which `renkei serve` knows its database, its
// institutions and their keys.
//
// Decoding is strict: a key that is not a setting is a fault, and every fault of
// the file and of the files that it names is told at once, with its path and
// line. Secrets never stand in the file, only paths to them. It starts nothing
// and opens no database; app turns what it returns into services. Start with
// Read; file.go is the settings, check.go what must hold between them, and
// material.go what is read from the files that they name.
package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"renkei.dev/internal/fault"
)

// Read reads the file at path and every file that it names, as of now. Errors:
// fault.NotFound when there is none, fault.Unavailable when it cannot be read;
// fault.Invalid with all Faults.
func Read(path string, now time.Time) (File, Material, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return File{}, Material{}, fault.New(fault.NotFound, "there is no configuration file %s", path)
	}
	if err != nil {
		return File{}, Material{}, fault.Wrap(fault.Unavailable, "read the configuration", err)
	}
	folder, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return File{}, Material{}, fault.Wrap(fault.Unavailable, "find the folder of the configuration", err)
	}
	return read(data, folder, now)
}

func read(data []byte, folder string, now time.Time) (File, Material, error) {
	var f File
	f.defaults()
	d := &decoder{lines: map[string]int{}}
	d.decode(data, &f)
	absolute(reflect.ValueOf(&f).Elem(), folder)
	c := &checker{decoder: d, now: now}
	var m Material
	if len(d.lines) > 0 { // else there is nothing that more could be said of
		c.file(&f)
		m = c.material(&f)
	}
	if len(d.faults) > 0 {
		slices.SortStableFunc(d.faults, func(a, b Fault) int { return a.Line - b.Line })
		return File{}, Material{}, fault.Wrap(fault.Invalid, "the configuration", d.faults)
	}
	return f, m, nil
}

// absolute makes every path in v absolute.
func absolute(v reflect.Value, folder string) {
	switch {
	case v.Type() == reflect.TypeFor[Path]():
		v.SetString(string(Path(v.String()).from(folder)))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			absolute(v.Field(i), folder)
		}
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			absolute(v.Index(i), folder)
		}
	case v.Kind() == reflect.Pointer && !v.IsNil():
		absolute(v.Elem(), folder)
	}
}
