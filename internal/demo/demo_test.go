package demo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"renkei.dev/internal/demo"
)

// running is a demo in this process, known by its demo.json as scripts know it.
type running struct {
	folder   string
	listen   string
	database string // empty: SQLite
	start    string // address of the start page
	manifest struct {
		CA, Admin    string
		Institutions []manifestInstitution
		Partners     []struct{ Name, URL string }
		Users        []manifestUser
	}
	stop func()
	late atomic.Int64 // by how much the bank's clock is ahead, in nanoseconds
	log  *heard       // everything that was logged, at every level
}

type manifestInstitution struct{ Name, Issuer, API, InitialAccessToken string }

// manifestUser is what demo.json says of a user.
type manifestUser struct {
	Name, Company, What, LoginID, Password, Answer string
	Certificate                                    *struct{ P12, Passphrase string }
	Accounts                                       []struct{ Branch, Type, Number, PIN string }
}

// heard is a log that a test can read while it is written.
type heard struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.Write(p)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.String()
}

// startDemo runs a demo on ports that are free, until the test ends.
func startDemo(t *testing.T) *running {
	t.Helper()
	return startDemoOn(t, "")
}

// startDemoOn is startDemo on a PostgreSQL database.
func startDemoOn(t *testing.T, database string) *running {
	t.Helper()
	d := &running{database: database, folder: filepath.Join(t.TempDir(), "data"), log: &heard{}}
	for range 50 {
		d.listen = "127.0.0.1:" + strconv.Itoa(20000+10*rand.IntN(3000))
		err := d.run(t)
		if err == nil {
			return d
		}
		if !strings.Contains(err.Error(), "is taken") {
			t.Fatal(err)
		}
	}
	t.Fatal("no free ports")
	return nil
}

// run starts the demo in its folder and waits until it serves.
func (d *running) run(t *testing.T) error {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- demo.Run(ctx, demo.Config{
			Folder: d.folder, Listen: d.listen, Database: d.database, Log: slog.New(slog.NewTextHandler(d.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
			Ready: func(page string) { ready <- page },
			Now:   func() time.Time { return time.Now().Add(time.Duration(d.late.Load())) },
		})
	}()
	select {
	case err := <-ended:
		cancel()
		return err
	case d.start = <-ready:
	}
	stopped := false
	d.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the demo ended with %v", err)
		}
	}
	t.Cleanup(func() {
		d.stop()
		if t.Failed() {
			t.Log(d.log)
		}
	})
	text, err := os.ReadFile(filepath.Join(d.folder, "demo.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &d.manifest); err != nil {
		t.Fatal(err)
	}
	return nil
}

// user returns what demo.json says of a user.
func (d *running) user(t *testing.T, name string) (loginID, password, answer string, pins map[string]string) {
	t.Helper()
	for _, u := range d.manifest.Users {
		if u.Name == name {
			pins = map[string]string{}
			for _, a := range u.Accounts {
				pins[a.Number] = a.PIN
			}
			return u.LoginID, u.Password, u.Answer, pins
		}
	}
	t.Fatalf("demo.json has no user %s", name)
	return "", "", "", nil
}

func TestTheStartPageSaysWhatToOpenAndAsWhom(t *testing.T) {
	d := startDemo(t)
	b := d.openBrowser(t, "")
	_, password, _, _ := d.user(t, "ok.pw")
	p := b.open(d.start).shows("デモの銀行へようこそ", d.manifest.Partners[0].Name, d.manifest.Partners[1].URL, "ok.cert", password)
	if p.status != 200 {
		t.Errorf("status %d", p.status)
	}
	b.open(d.start+"?lang=en").shows("Welcome to the demo bank", "ID and password.")
	if cert := b.open(d.start + "certificates/ok.cert.p12"); cert.status != 200 || len(cert.body) < 500 {
		t.Errorf("the certificate: %d, %d bytes", cert.status, len(cert.body))
	}
	if other := b.open(d.start + "certificates/customer-authority.pem"); other.status != 404 {
		t.Errorf("the key of an authority is handed out: %d", other.status)
	}
}

func TestTheDemoIsMonitoredAsAServerIs(t *testing.T) {
	d := startDemo(t)
	d.openBrowser(t, "").open(d.start).shows(d.manifest.Admin+"/readyz", d.manifest.Admin+"/metrics")
	for path, says := range map[string]string{"/livez": "alive\n", "/readyz": "ready\n", "/metrics": "renkei_database_up 1\n"} {
		answer, err := http.Get(d.manifest.Admin + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(body), says) {
			t.Errorf("%s: %d, %v", path, answer.StatusCode, err)
		}
	}
}

func TestADemoIsRestartedOnItsDataWithin2Seconds(t *testing.T) {
	d := startDemo(t)
	first := d.manifest
	d.stop()
	began := time.Now()
	d.listen = "" // kept with the data
	if err := d.run(t); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	if d.manifest.Institutions[0] != first.Institutions[0] || d.manifest.Partners[1] != first.Partners[1] {
		t.Errorf("it was\n%+v\nand is\n%+v", first, d.manifest)
	}
}

func TestWhatADemoCannotUseIsExplained(t *testing.T) {
	d := startDemo(t)
	empty := t.TempDir()
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "letter.txt"), []byte("dear"), 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := t.TempDir()
	if err := os.WriteFile(filepath.Join(damaged, "renkei-demo.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		cfg  demo.Config
		want string
	}{
		{"a port that is taken", demo.Config{Folder: empty, Listen: d.listen}, "is taken"},
		{"data on which a demo runs", demo.Config{Folder: d.folder}, "is taken"},
		{"a reset of data on which a demo runs", demo.Config{Folder: d.folder, Reset: true}, "is taken"},
		{"a directory of other people's", demo.Config{Folder: foreign}, "files that are not a demo's"},
		{"a reset there", demo.Config{Folder: foreign, Reset: true}, "files that are not a demo's"},
		{"a damaged directory", demo.Config{Folder: damaged}, "start anew with --reset"},
		{"an address of the outside", demo.Config{Folder: empty, Listen: "192.0.2.1:9440"}, "this machine alone"},
		{"no address", demo.Config{Folder: empty, Listen: "here"}, "--listen wants"},
		{"other ports for these data", demo.Config{Folder: d.folder, Listen: "127.0.0.1:9440"}, "these data were made for port"},
		{"another database for these data", demo.Config{Folder: d.folder, Database: "postgres://localhost/x"}, "in another database"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.Log = slog.New(slog.DiscardHandler)
			if err := demo.Run(t.Context(), c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(foreign, "letter.txt")); err != nil {
		t.Errorf("a reset took other people's files: %v", err)
	}
	if left, err := os.ReadDir(empty); err != nil || len(left) != 0 {
		t.Errorf("a start that failed left %v, %v", left, err)
	}
	for _, name := range []string{"demo.json", "attack.json", "renkei.db", "keys"} {
		if _, err := os.Stat(filepath.Join(d.folder, name)); err != nil {
			t.Errorf("a start that failed took from the demo that runs: %v", err)
		}
	}
}

func TestAResetKeepsOnlyCertificatesAndLooks(t *testing.T) {
	d := startDemo(t)
	d.stop()
	before, err := os.ReadFile(filepath.Join(d.folder, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var page string
	if err := demo.Run(ctx, demo.Config{
		Folder: d.folder, Reset: true, Log: slog.New(slog.DiscardHandler), Ready: func(at string) { page = at; cancel() },
	}); err != nil {
		t.Fatal(err)
	}
	if page != d.start {
		t.Errorf("it was at %s and begins anew at %s", d.start, page)
	}
	after, err := os.ReadFile(filepath.Join(d.folder, "ca.pem"))
	if err != nil || string(before) != string(after) {
		t.Errorf("browsers would have to trust a new authority: %v", err)
	}
}
