package audit_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/secret"
)

func key(t testing.TB) audit.Key {
	t.Helper()
	k, err := audit.NewKey(make([]byte, audit.SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestAnActHasOneForm(t *testing.T) {
	row := key(t).Row(7, "demo", audit.Act{
		Name: "consent.given", At: time.Date(2026, 11, 24, 12, 0, 0, 123456789, time.FixedZone("JST", 9*3600)),
		Actor: audit.Actor{Kind: audit.Customer, ID: "usr_1", Company: "cmp_1"}, Object: "cns_1", Outcome: audit.Done,
		Journey: "J-1", Partner: "kaikei", Address: "127.0.0.1", Detail: map[string]string{"z": "last", "a": "\"first\"\n\x01"},
	})
	const want = `{"actor":{"company":"cmp_1","id":"usr_1","kind":"customer"},"address":"127.0.0.1","at":"2026-11-24T03:00:00.123456Z",` +
		`"detail":{"a":"\"first\"\n\u0001","z":"last"},"institution":"demo","journey":"J-1","name":"consent.given",` +
		`"object":"cns_1","outcome":"done","partner":"kaikei","seq":"7"}`
	if row.Entry != want {
		t.Errorf("got  %s\nwant %s", row.Entry, want)
	}
	if !key(t).Wrote(row) {
		t.Error("its own row is strange to the key")
	}
}

func TestANewActIsIncompleteWithoutAnOutcomeAndItsReason(t *testing.T) {
	whole := audit.Act{Name: "login.done", Actor: audit.Actor{Kind: audit.Unknown}, Outcome: audit.Denied, Reason: "wrong_password"}
	if err := whole.Check(); err != nil {
		t.Error(err)
	}
	for name, break_ := range map[string]func(*audit.Act){
		"name": func(a *audit.Act) { a.Name = "" }, "outcome": func(a *audit.Act) { a.Outcome = "" },
		"reason": func(a *audit.Act) { a.Reason = "" }, "actor": func(a *audit.Act) { a.Actor = audit.Actor{} },
	} {
		a := whole
		break_(&a)
		if a.Check() == nil {
			t.Errorf("recorded without %s", name)
		}
	}
}

func TestTheKeyDoesNotPrint(t *testing.T) {
	k := key(t)
	for _, printed := range []string{fmt.Sprint(k), fmt.Sprintf("%+v", k), fmt.Sprintf("%#v", &k)} {
		if !strings.Contains(printed, k.Public()) || len(printed) > len(k.Public())+20 {
			t.Errorf("prints %s", printed)
		}
	}
}

func TestASecretCannotReachTheLog(t *testing.T) {
	// Every field of an Act is a text; a Value becomes one only by Reveal.
	v := secret.Of("hunter2")
	a := audit.Act{Name: "login.done", Detail: map[string]string{"v": fmt.Sprint(v)}, Object: v.String()}
	if row := key(t).Row(1, "demo", a); strings.Contains(row.Entry, "hunter2") {
		t.Error(row.Entry)
	}
}

func FuzzAnEntryIsValidAndCanonicalJSON(f *testing.F) {
	f.Add("plain", "日本\u2028", "\x00\xff\"\\")
	f.Fuzz(func(t *testing.T, object, reason, detail string) {
		k := key(t)
		row := k.Row(1, "demo", audit.Act{Name: "login.done", Object: object, Reason: reason, Detail: map[string]string{"word": detail}})
		if !k.Wrote(row) {
			t.Fatalf("strange to its own key: %s", row.Entry)
		}
		var read any
		if err := json.Unmarshal([]byte(row.Entry), &read); err != nil {
			t.Fatalf("%v: %s", err, row.Entry)
		}
		var again bytes.Buffer
		e := json.NewEncoder(&again)
		e.SetEscapeHTML(false)
		if err := e.Encode(read); err != nil {
			t.Fatal(err)
		}
		// encoding/json sorts members as well; it escapes two characters more.
		want := strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029").Replace(strings.TrimSpace(again.String()))
		if !strings.Contains(row.Entry, `\\u202`) && row.Entry != want {
			t.Errorf("got  %s\nwant %s", row.Entry, want)
		}
	})
}
