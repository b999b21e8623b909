package store_test

import (
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/store"
)

// within fails unless the condition comes true in time; what happens in another
// process, or at the other end of a connection, cannot be waited on otherwise.
func within(t *testing.T, d time.Duration, what string, condition func() bool) time.Duration {
	t.Helper()
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		if condition() {
			return time.Since(began)
		}
		if time.Since(began) > d {
			t.Fatalf("after %v still not: %s", d, what)
		}
	}
}

// nodes opens a PostgreSQL database as so many nodes do, and waits until all hear.
func nodes(t *testing.T, cfg store.Config, n int) []*store.DB {
	t.Helper()
	var all []*store.DB
	for i := range n {
		cfg.Node = i
		all = append(all, open(t, cfg))
	}
	for i, db := range all {
		within(t, 10*time.Second, "node "+string(rune('0'+i))+" hears", db.Hears)
	}
	return all
}

// hearsItself waits until the news of what was committed before have come in, its
// own included: they come in the order of the commits.
func hearsItself(t *testing.T, db *store.DB) {
	t.Helper()
	const last = "the last of a test"
	still := db.Institution("demo").Fresh(last)
	if err := db.Tamper(t.Context(), `SELECT pg_notify($1, $2)`, store.Channel, last+" demo"); err != nil {
		t.Fatal(err)
	}
	within(t, 10*time.Second, "its own news come in", func() bool { return !still() })
}

// stops stops a partner or resumes it.
func stops(t *testing.T, db *store.DB, from, to partner.Status) {
	t.Helper()
	err := db.Institution("demo").Commit(t.Context(), partner.StatusChanged{
		Partner: "mihon-kaikei", From: from, To: to, By: audit.Actor{Kind: audit.Operator, ID: "test"}, At: time.Now(), Reason: "a test",
	})
	if err != nil {
		t.Fatal(err)
	}
}

func registers(t *testing.T, db *store.DB) {
	t.Helper()
	p := testPartners[0]
	p.ID, p.Status = "mihon-kaikei", partner.Active
	if err := db.Institution("demo").Commit(t.Context(), partner.Registered{Partner: p, By: audit.Actor{Kind: audit.Operator, ID: "test"}, At: time.Now()}); err != nil {
		t.Fatal(err)
	}
}

func TestEveryChangeOfWhatNodesKeepIsAnnounced(t *testing.T) {
	applied, err := os.ReadFile("commit.go")
	if err != nil {
		t.Fatal(err)
	}
	told, err := os.ReadFile("news.go")
	if err != nil {
		t.Fatal(err)
	}
	changes := regexp.MustCompile(`case ((?:oauth\.Client|partner\.)\w+):`).FindAllSubmatch(applied, -1)
	if len(changes) < 5 {
		t.Fatalf("only %d changes of clients and partners", len(changes))
	}
	for _, c := range changes {
		if !regexp.MustCompile(`case .*\b` + regexp.QuoteMeta(string(c[1])) + `\b`).Match(told) {
			t.Errorf("%s is announced nowhere", c[1])
		}
	}
}

// Half a second is what a node may go on without news; the rest of the second that
// protocol.md §4 item 11 gives is for a machine that is busy.
const holdsWithin = time.Second

func TestAChangeIsKnownToItsOwnProcessAtOnce(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		in := db.Institution("demo")
		if in.Dialect() == "postgres" {
			within(t, 10*time.Second, "the node hears", db.Hears)
		}
		registers(t, db)
		if in.Dialect() == "postgres" {
			hearsItself(t, db)
		}
		still, clients, others := in.Fresh(store.Partners), in.Fresh(store.Clients), db.Institution("other").Fresh(store.Partners)
		if !still() {
			t.Fatal("nothing has changed")
		}
		stops(t, db, partner.Active, partner.Stopped)
		if still() {
			t.Error("the old is used on")
		}
		if db.Hears() && (!clients() || !others()) {
			t.Error("what has not changed is read again")
		}
	})
}

func TestAChangeIsKnownToEveryNodeWithinASecond(t *testing.T) {
	private.Need(t)
	all := nodes(t, store.Config{URL: private.Create(t)}, 3)
	registers(t, all[0])
	from, to := partner.Active, partner.Stopped
	for round, changed := range all {
		var stills []func() bool
		for _, db := range all {
			stills = append(stills, db.Institution("demo").Fresh(store.Partners))
		}
		stops(t, changed, from, to)
		from, to = to, from
		for i, still := range stills {
			took := within(t, holdsWithin, "a change is known", func() bool { return !still() })
			t.Logf("round %d, node %d: %v", round, i, took)
		}
	}
}

func TestWithNewsWhatIsKeptOutlivesHalfASecond(t *testing.T) {
	private.Need(t)
	db := nodes(t, store.Config{URL: private.Create(t)}, 1)[0]
	still := db.Institution("demo").Fresh(store.Clients)
	deaf := open(t, store.Config{URL: private.Create(t), Silent: true}).Institution("demo").Fresh(store.Clients)
	within(t, holdsWithin, "without news it is read again", func() bool { return !deaf() })
	if db.Hears() && !still() { // a machine that is very busy may not have heard in time
		t.Error("it is read again although nothing has changed")
	}
}

func TestANodeWhoseConnectionIsCutHearsAgainAndMissesNothing(t *testing.T) {
	private.Need(t)
	all := nodes(t, store.Config{URL: private.Create(t), Log: slog.New(slog.DiscardHandler)}, 2)
	registers(t, all[0])
	still := all[1].Institution("demo").Fresh(store.Partners)
	private.Exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'renkei news'`)
	stops(t, all[0], partner.Active, partner.Stopped)
	within(t, holdsWithin, "a change is known while nobody listens", func() bool { return !still() })
	within(t, 10*time.Second, "the node hears again", all[1].Hears)
	still = all[1].Institution("demo").Fresh(store.Partners)
	stops(t, all[0], partner.Stopped, partner.Active)
	within(t, holdsWithin, "a change is known after that", func() bool { return !still() })
}

func TestTwoNodesWithOneNumberAreToldSo(t *testing.T) {
	private.Need(t)
	address := private.Create(t)
	nodes(t, store.Config{URL: address}, 2)
	var said heardLog
	again := open(t, store.Config{URL: address, Node: 1, Log: slog.New(slog.NewTextHandler(&said, nil))})
	within(t, 10*time.Second, "the node hears", again.Hears)
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said.String(), "the same number") || !strings.Contains(said.String(), "node=1") {
		t.Errorf("it says %q", said.String())
	}
}

func TestIDsThatTwoNodesMadeAreNoReplay(t *testing.T) {
	private.Need(t)
	for _, serializable := range []bool{false, true} {
		cfg := store.Config{URL: private.Create(t), Now: func() time.Time { return time.Unix(1_800_000_000, 0) }, Serializable: serializable}
		one, other := open(t, cfg), open(t, cfg)
		if err := one.Institution("demo").Commit(t.Context(), denial("a")); err != nil {
			t.Fatal(err)
		}
		if err := other.Institution("demo").Commit(t.Context(), denial("b")); fault.Of(err) != fault.Unavailable || err == nil {
			t.Errorf("serializable %v: the same id is %v", serializable, err)
		}
		if err := other.Institution("demo").Commit(t.Context(), denial("b")); err != nil {
			t.Error(err)
		}
	}
}

// A connection that is open and brings nothing is the worst case: nothing fails.
func TestANodeThatIsCutOffSilentlyDoesNotTrustItsMemory(t *testing.T) {
	private.Need(t)
	address := private.Create(t)
	way := newStall(t, address)
	db := nodes(t, store.Config{URL: address, DirectURL: way.address, Log: slog.New(slog.DiscardHandler)}, 1)[0]
	other := open(t, store.Config{URL: address, Node: 1})
	registers(t, other)
	still := db.Institution("demo").Fresh(store.Partners)
	way.stall()
	stops(t, other, partner.Active, partner.Stopped)
	within(t, holdsWithin, "a change is known", func() bool { return !still() })
	way.flow()
	within(t, 20*time.Second, "the node hears again", db.Hears)
}

// stall is a way to a database that can stop to carry anything, while its
// connections stay open.
type stall struct {
	address string
	flowing sync.RWMutex // held for writing while nothing flows
}

func newStall(t *testing.T, address string) *stall {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	real := filepath.Join(query.Get("host"), ".s.PGSQL.5432")
	s := &stall{}
	folder := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(folder, ".s.PGSQL.5432"))
	if err != nil {
		t.Fatal(err)
	}
	query.Set("host", folder)
	u.RawQuery = query.Encode()
	s.address = u.String()
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("unix", real)
			if err != nil {
				from.Close()
				continue
			}
			go s.carry(from, to)
			go s.carry(to, from)
		}
	}()
	return s
}

func (s *stall) carry(from, to net.Conn) {
	defer to.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			s.flowing.RLock()
			to.Write(buffer[:n]) //nolint:errcheck // the next read fails too
			s.flowing.RUnlock()
		}
		if err != nil {
			if err != io.EOF {
				from.Close()
			}
			return
		}
	}
}

func (s *stall) stall() { s.flowing.Lock() }
func (s *stall) flow()  { s.flowing.Unlock() }
