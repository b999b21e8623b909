package store

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestListsAreReadAsTheirDecoderReadsThem(t *testing.T) {
	for _, text := range []string{
		`[]`, `[ ]`, `[""]`, `["a"]`, `["a","b"]`, `["a", "b"]`, `["a\"b","c"]`, `["\u3042"]`, `["あ","い"]`, `null`,
		``, `[`, `["a`, `["a"b"]`, `["a",]`, `[1]`, `{}`, `["a"] `, `["]`,
	} {
		var want []string
		failed := json.Unmarshal([]byte(text), &want)
		got, err := listOf[string](text)
		if (err == nil) != (failed == nil) || err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %q, %v; its decoder says %q, %v", text, got, err, want, failed)
		}
	}
}
