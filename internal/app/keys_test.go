package app_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"renkei.dev/internal/app"
	"renkei.dev/internal/audit"
	"renkei.dev/internal/config"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/store"
)

var clerk = audit.Actor{Kind: audit.Operator, ID: "clerk"}

// edit replaces text in the bank's file.
func (b *bank) edit(pairs ...string) {
	b.t.Helper()
	data, err := os.ReadFile(filepath.Join(b.folder, "renkei.yaml"))
	if err != nil {
		b.t.Fatal(err)
	}
	if !strings.Contains(string(data), pairs[0]) {
		b.t.Fatalf("the file has no %q", pairs[0])
	}
	b.write("renkei.yaml", []byte(strings.NewReplacer(pairs...).Replace(string(data))))
}

// desk opens what the commands of the bank's staff work on.
func (b *bank) desk(institution string) *app.Desk {
	b.t.Helper()
	settings, material, err := config.Read(filepath.Join(b.folder, "renkei.yaml"), time.Now())
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := store.Migrations(b.t.Context(), store.Config{URL: settings.Database.URL}, true); err != nil {
		b.t.Fatal(err)
	}
	d, err := app.OpenDesk(b.t.Context(), settings, material, institution)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { d.Close() })
	return d
}

func commit(t *testing.T, d *app.Desk, changes ...audit.Change) {
	t.Helper()
	if err := d.Store.Commit(t.Context(), changes...); err != nil {
		t.Fatal(err)
	}
}

func addKey(t *testing.T, d *app.Desk, alg jose.Algorithm, at time.Time) oauth.SigningKey {
	t.Helper()
	k, err := jose.Generate(alg, at, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	added := oauth.KeyAdded{Issuer: oauth.FAPIIssuer, Key: oauth.SigningKey{Key: k}, By: clerk, At: at}
	commit(t, d, added)
	return added.Key
}

func activateKey(t *testing.T, d *app.Desk, kid string, atOnce bool) oauth.KeyActivated {
	t.Helper()
	keys, err := d.Store.SigningKeys(t.Context(), oauth.FAPIIssuer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.Issuer.Activate(keys, d.Files, kid, atOnce, clerk, "test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	commit(t, d, c)
	return c
}

// verifier is a partner's software that asks for signed answers and verifies
// them by published keys that it keeps exactly as long as it may, and no other.
type verifier struct {
	b      *bank
	client *http.Client
	issuer string
	id     string
	signer *jose.Signer

	mu      sync.Mutex
	set     *jose.Set
	expires time.Time
}

func (b *bank) verifier(institution string) *verifier {
	b.t.Helper()
	key, err := jose.Generate(jose.ES256, time.Now(), time.Hour)
	if err != nil {
		b.t.Fatal(err)
	}
	key.State = jose.Active
	ring, err := jose.NewRing([]jose.Key{key}, time.Now())
	if err != nil {
		b.t.Fatal(err)
	}
	v := &verifier{b: b, issuer: "https://link." + institution + ".example", id: "cl_sakura"}
	if v.signer, err = ring.Signer(jose.ES256); err != nil {
		b.t.Fatal(err)
	}
	d := b.desk(institution)
	_, _, err = app.RegisterPartner(b.t.Context(), d.Store, d.Issuer, fmt.Appendf(nil, `{"partner": {"id": "sakura-kaikei", "service": "さくら会計", "corporation": "さくら計算株式会社",
		"registration_number": "関東財務局長（電代）第9003号", "contact": {"desk": "お客さま窓口", "phone": "03-0000-9003"}, "functions": ["balance"], "contract_from": "2026-04-01"},
		"client": {"client_id": %q, "redirect_uris": ["https://sakura.example/callback"], "token_endpoint_auth_method": "private_key_jwt", "jwks": %s}}`, v.id, ring.JWKS()), clerk, time.Now())
	if err != nil {
		b.t.Fatal(err)
	}
	v.client = &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: b.roots}, MaxIdleConnsPerHost: 8,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", b.listeners[":8443"].Addr().String())
		},
	}}
	b.t.Cleanup(v.client.CloseIdleConnections)
	return v
}

func (v *verifier) do(r *http.Request) (*http.Response, []byte, error) {
	answer, err := v.client.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %d %s", r.URL.Path, answer.StatusCode, body)
	}
	return answer, body, err
}

// keys returns the published keys, fetched anew only when their time is over.
func (v *verifier) keys() (*jose.Set, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.set != nil && time.Now().Before(v.expires) {
		return v.set, nil
	}
	asked := time.Now()
	r, err := http.NewRequest(http.MethodGet, v.issuer+"/jwks", nil)
	if err != nil {
		return nil, err
	}
	answer, body, err := v.do(r)
	if err != nil {
		return nil, err
	}
	age, err := strconv.Atoi(strings.TrimPrefix(answer.Header.Get("Cache-Control"), "public, max-age="))
	if err != nil {
		return nil, err
	}
	v.expires = asked.Add(time.Duration(age) * time.Second)
	v.set, err = jose.ParseSet(body)
	return v.set, err
}

// ask asks for one signed answer and returns the kid that it was signed with.
func (v *verifier) ask() (string, error) {
	now := time.Now()
	assertion, err := v.signer.Sign("JWT", map[string]any{
		"iss": v.id, "sub": v.id, "aud": v.issuer, "jti": fmt.Sprintf("%d-%p", now.UnixNano(), &now), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	})
	if err != nil {
		return "", err
	}
	form := url.Values{"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion}, "token": {"none"}}
	r, err := http.NewRequest(http.MethodPost, v.issuer+"/introspect", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/token-introspection+jwt")
	_, body, err := v.do(r)
	if err != nil {
		return "", err
	}
	set, err := v.keys()
	if err != nil {
		return "", err
	}
	token, err := set.Verify(string(body), jose.Rules{Algorithms: []string{jose.ES256}, Types: []string{"token-introspection+jwt"}})
	return token.Header.KID, err
}

func TestARotationUnderLoadLosesNoValidRequest(t *testing.T) {
	b := newBank(t)
	b.edit("    connector:", "    lifetimes: {key_set: 1s}\n    connector:")
	v := b.verifier("ume")
	stop := b.serve()
	d := b.desk("ume")
	first, err := v.ask()
	if err != nil {
		t.Fatal(err)
	}
	if first != d.Files[0].KID {
		t.Errorf("%s signs, not the file's key", first)
	}

	var asked, failed atomic.Int64
	var last atomic.Value
	ctx, end := context.WithCancel(t.Context())
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for ctx.Err() == nil {
				kid, err := v.ask()
				asked.Add(1)
				if err != nil {
					if failed.Add(1) == 1 {
						t.Errorf("a valid request was lost: %v", err)
					}
					continue
				}
				last.Store(kid)
			}
		})
	}
	second := addKey(t, d, jose.ES256, time.Now())
	if _, err := d.Issuer.Activate([]oauth.SigningKey{second}, d.Files, second.KID, false, clerk, "", time.Now()); fault.Of(err) != fault.Refused {
		t.Errorf("a key that partners cannot know yet: %v", err)
	}
	time.Sleep(time.Until(d.Issuer.MayActivateAt(second)) + 10*time.Millisecond) // what this test is about
	activated := activateKey(t, d, second.KID, false)
	for deadline := time.Now().Add(20 * time.Second); last.Load() != second.KID && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	took := time.Since(activated.At)
	end()
	workers.Wait()
	if last.Load() != second.KID {
		t.Errorf("%v still signs after %s", last.Load(), took)
	}
	if failed.Load() > 0 {
		t.Errorf("%d of %d requests were lost", failed.Load(), asked.Load())
	}
	t.Logf("%d requests; the new key signed %s after its activation", asked.Load(), took.Round(time.Millisecond))
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestPublishedKeysAreKeptShorterThanRetiredOnesStay(t *testing.T) {
	i := oauth.Issuer{}
	if i.KeySetFor() <= 0 || i.KeySetFor() >= i.KeyOverlap() {
		t.Errorf("kept for %s, overlapping for %s", i.KeySetFor(), i.KeyOverlap())
	}
}

func TestARetiredKeyIsPublishedUntilItsTimeIsOver(t *testing.T) {
	b := newBank(t)
	d := b.desk("ume")
	first := addKey(t, d, jose.ES256, time.Now())
	activateKey(t, d, first.KID, true)
	second := addKey(t, d, jose.ES256, time.Now())
	retired := activateKey(t, d, second.KID, true)
	if retired.Retires != first.KID {
		t.Fatalf("the activation retires %q", retired.Retires)
	}
	var ahead atomic.Int64
	settings, material, err := config.Read(filepath.Join(b.folder, "renkei.yaml"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	server, err := app.Open(t.Context(), app.Config{
		Settings: settings, Material: material, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Now:    func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
		Listen: func(context.Context, string) (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx) }()
	engine := server.Institutions[0].Engine
	if !strings.Contains(string(engine.KeySet()), first.KID) {
		t.Error("the retired key is not published")
	}
	ahead.Store(int64(time.Until(retired.RemoveAt) + time.Second))
	for deadline := time.Now().Add(20 * time.Second); strings.Contains(string(engine.KeySet()), first.KID); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the retired key stays for ever")
		}
	}
	if !strings.Contains(string(engine.KeySet()), second.KID) {
		t.Error("the active key went too")
	}
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestWithoutAUsableSigningKeyNothingStarts(t *testing.T) {
	line := func(name, state, until string) string {
		return fmt.Sprintf("signing_keys: [{file: %s-signing.key, state: %s, until: %s}]", name, state, until)
	}
	file := "signing_keys: [{file: ume-signing.key, until: 2099-12-31}]"
	for _, c := range []struct {
		name, to string
		kind     fault.Kind
		says     string
	}{
		{"no key at all", "signing_keys: []", fault.Invalid, "make one with `renkei key add --activate`"},
		{"no key that signs", line("ume", "next", "2099-12-31"), fault.Invalid, "no active signing key"},
		{"a key that expired", line("ume", "active", "2026-01-01"), fault.Expired, "`renkei key activate`"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBank(t)
			b.edit(file, c.to)
			settings, material, err := config.Read(filepath.Join(b.folder, "renkei.yaml"), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			_, err = b.open()
			if fault.Of(err) != c.kind || err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "ume") {
				t.Errorf("the start: %v", err)
			}
			if _, err := app.CheckKeys(t.Context(), settings, material, time.Now()); fault.Of(err) != c.kind || err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the check: %v", err)
			}
			d := b.desk("ume")
			k := addKey(t, d, jose.PS256, time.Now())
			activateKey(t, d, k.KID, true)
			notYet, err := app.CheckKeys(t.Context(), settings, material, time.Now())
			if c.kind != fault.Expired && err != nil || notYet != nil {
				t.Errorf("with a key in the database: %v, %v", err, notYet)
			}
		})
	}
}

func TestTheCheckOfAFileDoesWithoutADatabaseWhereFilesHaveTheKeys(t *testing.T) {
	b := newBank(t)
	settings, material, err := config.Read(filepath.Join(b.folder, "renkei.yaml"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if notYet, err := app.CheckKeys(t.Context(), settings, material, time.Now()); err != nil || notYet == nil {
		t.Errorf("%v, %v", notYet, err)
	}
	if entries, err := os.ReadDir(b.folder); err != nil || slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == "renkei.db" }) {
		t.Errorf("the check made a database: %v", err)
	}
}

func TestAKeyOfTheDatabaseTakesTheFilesPlace(t *testing.T) {
	b := newBank(t)
	d := b.desk("sakura")
	k := addKey(t, d, jose.ES256, time.Now())
	activateKey(t, d, k.KID, true)
	stop := b.serve()
	defer stop()
	_, body, _ := b.get(":8443", "https://link.sakura.example/jwks", "")
	var set struct {
		Keys []struct{ KID string }
	}
	if err := json.Unmarshal([]byte(body), &set); err != nil || len(set.Keys) != 2 {
		t.Errorf("published %s, %v", body, err)
	}
	_, body, _ = b.get(":8443", "https://link.ume.example/jwks", "")
	if strings.Contains(body, k.KID) {
		t.Error("another institution publishes it too")
	}
}

func TestKeysThatCannotBeUsedLeaveThoseBeforeInForce(t *testing.T) {
	b := newBank(t)
	v := b.verifier("ume")
	stop := b.serve()
	d := b.desk("ume")
	first, err := v.ask()
	if err != nil {
		t.Fatal(err)
	}
	lost := addKey(t, d, jose.PS256, time.Now())
	commit(t, d, oauth.KeyAdded{Issuer: oauth.FAPIIssuer, By: clerk, At: time.Now(), Key: oauth.SigningKey{
		InHSM: true, Key: jose.Key{KID: "in-no-hsm", Algorithm: jose.ES256, CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour), Public: lost.Private.Public()},
	}})
	for deadline := time.Now().Add(20 * time.Second); !b.log.has("cannot be used; those before stay in force"); time.Sleep(20 * time.Millisecond) {
		if kid, err := v.ask(); err != nil || kid != first {
			t.Fatalf("%s signs, not %s: %v", kid, first, err)
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing is said of keys that cannot be used")
		}
	}
	if kid, err := v.ask(); err != nil || kid != first {
		t.Errorf("%s signs, not %s: %v", kid, first, err)
	}
	commit(t, d, oauth.KeyRemoved{Issuer: oauth.FAPIIssuer, KID: "in-no-hsm", From: jose.Next, By: clerk, At: time.Now()})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		_, body, _ := b.get(":8443", "https://link.ume.example/jwks", "")
		if strings.Contains(body, lost.KID) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the usable key is never published")
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
