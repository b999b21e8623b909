package config

import (
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Print writes the settings as they are in effect, in the form of the file.
// There is nothing to mask in it: secrets stand in files of their own, and an
// address with a password is refused.
func (f File) Print(w io.Writer) error {
	var out strings.Builder
	printGroup(&out, reflect.ValueOf(f), "")
	_, err := io.WriteString(w, out.String())
	return err
}

func printGroup(out *strings.Builder, v reflect.Value, indent string) {
	for i := range v.NumField() {
		key, field := v.Type().Field(i).Tag.Get("key"), v.Field(i)
		if field.Kind() == reflect.Pointer {
			if field.IsNil() {
				continue
			}
			field = field.Elem()
		}
		switch {
		case field.Kind() == reflect.Struct:
			fmt.Fprintf(out, "%s%s:\n", indent, key)
			printGroup(out, field, indent+"  ")
		case field.Kind() == reflect.Slice && field.Len() > 0 && field.Type().Elem().Kind() == reflect.Struct:
			fmt.Fprintf(out, "%s%s:\n", indent, key)
			for j := range field.Len() {
				var item strings.Builder
				printGroup(&item, field.Index(j), indent+"    ")
				fmt.Fprintf(out, "%s  - %s", indent, strings.TrimPrefix(item.String(), indent+"    "))
			}
		case field.Kind() == reflect.Slice:
			items := make([]string, field.Len())
			for j := range items {
				items[j] = scalar(field.Index(j))
			}
			fmt.Fprintf(out, "%s%s: [%s]\n", indent, key, strings.Join(items, ", "))
		case field.Kind() == reflect.String && field.Len() == 0:
			continue // not set
		default:
			fmt.Fprintf(out, "%s%s: %s\n", indent, key, scalar(field))
		}
	}
}

func scalar(v reflect.Value) string {
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		return formatDuration(time.Duration(v.Int()))
	case v.Kind() == reflect.String:
		return strconv.Quote(v.String())
	}
	return fmt.Sprint(v.Interface())
}
