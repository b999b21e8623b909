package sandbox

import (
	"path/filepath"
	"testing"
)

// BenchmarkUser is what the bank is asked whenever a journey opens with a session.
func BenchmarkUser(b *testing.B) {
	bank, err := Open(b.Context(), Config{File: filepath.Join(b.TempDir(), "bank.db")})
	if err != nil {
		b.Fatal(err)
	}
	defer bank.Close()
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bank.User(ctx, "usr_ok.pw"); err != nil {
			b.Fatal(err)
		}
	}
}
