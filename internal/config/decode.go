package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// A Fault is one thing that is wrong with the file.
type Fault struct {
	Path     string // e.g. institutions[0].issuer
	Line     int    // 0: nowhere in the file
	Sentence string
}

func (f Fault) String() string {
	where := f.Path
	if f.Line > 0 {
		where = fmt.Sprintf("line %d: %s", f.Line, where)
	}
	return strings.TrimSpace(where + " " + f.Sentence)
}

// Faults is everything that is wrong with the file, in the order of its lines.
type Faults []Fault

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, one := range f {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

// decoder reads YAML into a struct and gathers every fault on the way, which
// the decoders of YAML libraries do not: they stop at the first, or know no path.
type decoder struct {
	faults Faults
	lines  map[string]int // path → line, for faults that are found later
}

// parser is a value with a spelling of its own.
type parser interface{ parse(text string) error }

func (d *decoder) fault(path string, line int, format string, args ...any) {
	d.faults = append(d.faults, Fault{path, line, fmt.Sprintf(format, args...)})
}

// decode reads data into the struct that into points to. What the file does not
// name keeps the value that it had.
func (d *decoder) decode(data []byte, into any) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		d.fault("", 0, "the file is not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
		return
	}
	if len(doc.Content) == 0 {
		d.fault("", 0, "the file is empty")
		return
	}
	d.value(doc.Content[0], reflect.ValueOf(into).Elem(), "")
}

func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	d.lines[path] = n.Line
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		d.fault(path, n.Line, "uses an anchor or an alias; write the value out")
		return
	}
	if p, ok := v.Addr().Interface().(parser); ok {
		if d.scalar(n, path, "a text") {
			if err := p.parse(n.Value); err != nil {
				d.fault(path, n.Line, "%s", err)
			}
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, v, path)
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			d.fault(path, n.Line, "must be a list")
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
		for i, item := range n.Content {
			prefill(v.Index(i))
			d.value(item, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		prefill(v.Elem())
		d.value(n, v.Elem(), path)
	case reflect.String:
		if d.scalar(n, path, "a text") {
			v.SetString(n.Value)
		}
	case reflect.Bool:
		switch {
		case !d.scalar(n, path, "true or false"):
		case n.Value == "true" || n.Value == "false":
			v.SetBool(n.Value == "true")
		default:
			d.fault(path, n.Line, "must be true or false")
		}
	case reflect.Int, reflect.Uint32:
		d.number(n, v, path)
	case reflect.Int64: // the only 64-bit numbers of a file are durations
		if d.scalar(n, path, "a duration such as 15m or 90d") {
			span, err := parseDuration(n.Value)
			if err != nil {
				d.fault(path, n.Line, "%s", err)
			}
			v.SetInt(int64(span))
		}
	default:
		panic("config: no way to read a " + v.Type().String())
	}
}

func (d *decoder) scalar(n *yaml.Node, path, what string) bool {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		d.fault(path, n.Line, "must be %s", what)
		return false
	}
	return true
}

func (d *decoder) number(n *yaml.Node, v reflect.Value, path string) {
	if !d.scalar(n, path, "a whole number") {
		return
	}
	i, err := strconv.ParseInt(n.Value, 10, 32)
	if err != nil || v.Kind() == reflect.Uint32 && i < 0 {
		d.fault(path, n.Line, "must be a whole number")
		return
	}
	if v.Kind() == reflect.Uint32 {
		v.SetUint(uint64(i))
		return
	}
	v.SetInt(i)
}

func (d *decoder) structure(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.fault(path, n.Line, "must be a group of settings")
		return
	}
	var known, seen []string
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		key := v.Type().Field(i).Tag.Get("key")
		known = append(known, key)
		fields[key] = v.Field(i)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, at := n.Content[i].Value, join(path, n.Content[i].Value)
		field, ok := fields[key]
		switch {
		case !ok:
			d.fault(at, n.Content[i].Line, "is not a setting; known here are %s", strings.Join(known, ", "))
		case slices.Contains(seen, key):
			d.fault(at, n.Content[i].Line, "stands twice")
		default:
			d.value(n.Content[i+1], field, at)
		}
		seen = append(seen, key)
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// defaulted is a group of settings that are not zero when the file leaves them out.
type defaulted interface{ defaults() }

func prefill(v reflect.Value) {
	if p, ok := v.Addr().Interface().(defaulted); ok {
		p.defaults()
	}
}

// parseDuration reads what people write: 90d, 12h, 30m, 1h30m, 300s.
func parseDuration(text string) (time.Duration, error) {
	days, rest, found := strings.Cut(text, "d")
	if !found {
		days, rest = "0", text
	}
	n, err := strconv.Atoi(days)
	span := time.Duration(n) * 24 * time.Hour
	if err == nil && (rest != "" || !found) {
		var more time.Duration
		more, err = time.ParseDuration(rest)
		span += more
	}
	if err != nil || span < 0 || n > 36500 || strings.ContainsAny(rest, "+-") {
		return 0, fmt.Errorf("must be a duration such as 300s, 15m, 1h30m or 90d")
	}
	return span, nil
}

func formatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	text := ""
	if d >= day {
		text = strconv.Itoa(int(d/day)) + "d"
		d %= day
		if d == 0 {
			return text
		}
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return text + s
}
