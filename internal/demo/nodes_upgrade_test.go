package demo_test

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// build makes the binary of the sources below a folder.
func build(t *testing.T, sources string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "renkei")
	command := exec.Command("go", "build", "-o", binary, "./cmd/renkei")
	command.Dir = sources
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build the binary of %s: %v\n%s", sources, err, out)
	}
	return binary
}

// versionBefore takes the sources of the version before from git's history; each
// release records its own commit in testdata/version-before.txt for the next one. A
// shallow clone or an archive does not have them, and skips the test; a whole one
// that lacks the commit fails it.
func versionBefore(t *testing.T) string {
	t.Helper()
	recorded, err := os.ReadFile("testdata/version-before.txt")
	if err != nil {
		t.Fatal(err)
	}
	commit := strings.TrimSpace(string(recorded))
	git := func(args ...string) ([]byte, error) {
		command := exec.Command("git", args...)
		command.Dir = "../.."
		return command.Output()
	}
	shallow, err := git("rev-parse", "--is-shallow-repository")
	if err != nil {
		t.Skipf("the version before, %s, comes from git's history, and this is no clone (%v)", commit, err)
	}
	if _, err := git("cat-file", "-e", commit+"^{commit}"); err != nil {
		if strings.TrimSpace(string(shallow)) == "true" {
			t.Skipf("the version before, %s, is not in this shallow clone: `git fetch --unshallow` brings it", commit)
		}
		t.Fatalf("the history has no commit %s, which testdata/version-before.txt records as the version before", commit)
	}
	archive, err := git("archive", "--format=tar", commit)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	unpack := exec.Command("tar", "-x", "-C", folder)
	unpack.Stdin = bytes.NewReader(archive)
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("unpack the version before: %v: %s", err, out)
	}
	return folder
}

// Node after node is replaced while partners and a customer are at work, and the
// version before starts once more on the schema of the new one.
func TestTheVersionBeforeAndThisOneServeTogetherDuringAnUpgrade(t *testing.T) {
	private.Need(t)
	began := time.Now()
	before, now := build(t, versionBefore(t)), build(t, "../..")
	t.Logf("both built after %v", time.Since(began).Round(time.Second))

	f := newProcesses(t, private.Create(t), 3)
	f.spawn(0, before)
	s, metadata := f.software("upgrade")
	f.d.write(t, "upgrade.json", metadata)
	f.command(0, before, "partner", "add", filepath.Join(f.d.folder, "upgrade.json"))
	linked := s.link(f.browser(""), "ok.pw")
	l := startLoad(t, 4, s)
	l.everyNode(40)
	id, password, _, pins := f.d.user(t, "ok.pw")
	form, verifier := s.asking()
	uri := s.must(http.StatusCreated, http.MethodPost, s.issuer+"/par", "", form).RequestURI
	journey := f.browser("").open(s.start(uri)).press("API連携", "login_id", id, "password", password).shows("認可業務選択")

	f.spawn(1, now) // which takes the schema forward
	steps := f.command(0, before, "db", "status")
	if !strings.Contains(steps, "of a newer version") {
		t.Errorf("there is nothing new in the schema: record a later version before, or an earlier one\n%s", steps)
	}
	l.everyNode(80) // by both
	again := s.must(http.StatusOK, http.MethodPost, s.token(), "", refreshing(linked.RefreshToken))
	for range 2 { // one of each version
		s.must(http.StatusOK, http.MethodGet, s.accounts(), again.AccessToken, nil)
		s.must(http.StatusOK, http.MethodGet, s.accounts(), linked.AccessToken, nil)
	}
	journey = journey.press("次へ")
	if strings.Contains(journey.body, "照会用暗証番号登録") {
		journey = journey.press("登録", journey.typed(pins)...).press("確定")
	}
	journey.shows("情報アクセス許可")
	f.stop(0)
	code := s.code(journey.press("許可", "intent", "proceed").shows("受付完了"))
	s.must(http.StatusOK, http.MethodPost, s.token(), "", s.redeeming(code, verifier))
	l.everyNode(40) // by the new one alone

	f.spawn(2, before) // as one that had crashed, or to go back
	l.everyNode(80)
	s.link(f.browser(""), "ok.pw")
	f.stop(1)
	l.everyNode(40)
	l.end()
	if n := l.failed.Load(); n > 0 {
		t.Errorf("%d requests failed, the first with %v", n, l.why.Load())
	}
	live, dead := l.kept(s)
	said := f.command(2, now, "audit", "verify")
	t.Logf("%d requests, %d tokens live, %d revoked, the longest time without an answer %v; %s", l.done[0].Load(), live, dead, l.gap[0], said)
}
