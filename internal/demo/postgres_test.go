package demo_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/app"
	"renkei.dev/internal/demo"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/store/storetest"
)

// private is the test binary's own PostgreSQL, started when first asked for.
var private storetest.Cluster

func TestMain(m *testing.M) {
	code := m.Run()
	private.Stop()
	os.Exit(code)
}

// resets begins the demo anew and ends it once it serves.
func (d *running) resets(t *testing.T, database string) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	return demo.Run(ctx, demo.Config{
		Folder: d.folder, Listen: d.listen, Database: database, Reset: true, Log: slog.New(slog.DiscardHandler),
		Ready: func(string) { cancel() },
	})
}

func (d *running) desk(t *testing.T) *app.Desk {
	t.Helper()
	settings, material, err := demo.Settings(d.folder, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	desk, err := app.OpenDesk(t.Context(), settings, material, settings.Institutions[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { desk.Close() })
	return desk
}

func TestTheWholeDemoRunsOnPostgreSQL(t *testing.T) {
	private.Need(t)
	d := startDemoOn(t, private.Create(t))
	id, password, _, pins := d.user(t, "ok.pw")
	b := d.openBrowser(t, "")
	d.begins(b, 0).press("API連携", "login_id", id, "password", password).shows("認可業務選択").press("次へ").allows().shows("円")
	_, certified, _, certifiedPINs := d.user(t, "ok.cert")
	p := d.begins(d.openBrowser(t, "ok.cert"), 1).follow(certificate).press("API連携", "password", certified).shows("照会用暗証番号登録")
	p.press("登録", p.typed(certifiedPINs)...).press("確定").allows().shows("円")

	d.stop()
	d.database = "" // kept with the data
	if err := d.run(t); err != nil {
		t.Fatal(err)
	}
	b.client.CloseIdleConnections()
	after := b.open(d.manifest.Partners[0].URL).shows("円")
	for number := range pins {
		after.shows(number)
	}
	if _, err := os.Stat(filepath.Join(d.folder, "renkei.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a file of SQLite beside the database: %v", err)
	}
	d.partner(t, partner.StatusChanged{Partner: "tsuzumi-shikin", From: partner.Active, To: partner.Stopped})
	d.openBrowser(t, "").open(d.manifest.Partners[1].URL).press(linkButton).shows("unauthorized_client")
}

func TestAResetEmptiesTheDemosOwnDatabaseAndNoOther(t *testing.T) {
	private.Need(t)
	mine := private.Create(t)
	d := startDemoOn(t, mine)
	d.partner(t, partner.StatusChanged{Partner: "mihon-kaikei", From: partner.Active, To: partner.Stopped})
	d.stop()

	other := &running{folder: filepath.Join(t.TempDir(), "other"), listen: d.listen}
	if err := other.resets(t, mine); err == nil || !strings.Contains(err.Error(), "want an empty one") {
		t.Fatalf("another demo on these data: %v", err)
	}
	if err := other.resets(t, private.Create(t)); err != nil {
		t.Errorf("after that it is tied to a database that it never had: %v", err)
	}

	if err := d.resets(t, mine); err != nil {
		t.Fatal(err)
	}
	p, err := d.desk(t).Store.Partner(t.Context(), "mihon-kaikei")
	if err != nil || p.Status != partner.Active {
		t.Errorf("after the reset the partner is %s, %v", p.Status, err)
	}
}
