package store_test

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"renkei.dev/internal/partner"
	"renkei.dev/internal/store"
)

// The core of the contract holds through a pooler in transaction mode, where no
// statement stays prepared and no setting outlives its transaction.
func TestTheContractHoldsThroughAPooler(t *testing.T) {
	pooler = private.Pooler(t)
	defer func() { pooler = nil }()
	for name, contract := range map[string]func(*testing.T){
		"commits at once":             TestCommitsOfManyAtOnceAllHappen,
		"spent once":                  TestAValueIsSpentOnceHoweverManyTryAtOnce,
		"all or nothing":              TestWhatNoLongerHoldsTakesTheRestOfItsCommitWithItAndNothingElse,
		"conflicts":                   TestAConflictSaysWhatItMeans,
		"rows that are there":         TestARowThatIsThereAlreadyIsAConflict,
		"statements in order":         TestStatementsSeeWhatWasQueuedBeforeThem,
		"look-ups at once":            TestLookUpsOfManyAtOnceEachGetTheirOwnRow,
		"acts":                        TestEveryChangeAndEveryRefusalHasItsAct,
		"request to account":          TestAPartnerGoesFromItsRequestToTheAccountAndBack,
		"a code at once":              TestOfManyRedemptionsOfOneCodeOneSucceedsAndTheRestEndIt,
		"a code again":                TestACodeThatComesBackEndsWhatItGave,
		"assertions":                  TestAnAssertionIsTakenOnceOnEveryNode,
		"the six steps":               TestEveryStepOfTheManualIsTakenInItsOrder,
		"partners":                    TestAPartnerComesBackAsItWasRegistered,
		"what is over":                TestWhatIsOverIsForgottenHoweverMuchThereIs,
		"the log":                     TestALogThatNobodyTouchedVerifies,
		"a process knows its changes": TestAChangeIsKnownToItsOwnProcessAtOnce,
	} {
		t.Run(name, contract)
	}
}

func TestNewsComeInAroundAPooler(t *testing.T) {
	pooler = private.Pooler(t)
	defer func() { pooler = nil }()
	all := nodes(t, store.Config{URL: pooler.URL(private.Create(t))}, 2)
	registers(t, all[0])
	still := all[1].Institution("demo").Fresh(store.Partners)
	stops(t, all[0], partner.Active, partner.Stopped)
	within(t, holdsWithin, "a change is known", func() bool { return !still() })
}

func TestWithoutAWayAroundThePoolerANodeListensToNobody(t *testing.T) {
	through := private.Pooler(t)
	direct := private.Create(t)
	open(t, store.Config{URL: direct}) // makes the schema
	db := open(t, store.Config{URL: through.URL(direct), Pooled: true, LeaveSchema: true, Node: 1})
	still := db.Institution("demo").Fresh(store.Partners)
	within(t, holdsWithin, "what was read is read again", func() bool { return !still() })
}

// LISTEN through such a pooler succeeds, and nothing ever comes in.
func TestADirectAddressThatIsNoneIsNotBelieved(t *testing.T) {
	through := private.Pooler(t)
	direct := private.Create(t)
	open(t, store.Config{URL: direct})
	var said heardLog
	pooled := through.URL(direct)
	db := open(t, store.Config{URL: pooled, DirectURL: pooled, Pooled: true, LeaveSchema: true, Node: 1, Log: slog.New(slog.NewTextHandler(&said, nil))})
	within(t, 20*time.Second, "the log says that nothing comes in", func() bool { return strings.Contains(said.String(), "does not come in") })
	if db.Hears() {
		t.Error("it believes to hear")
	}
}

// heardLog is a log that is read while it is written.
type heardLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (h *heardLog) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.Write(p)
}

func (h *heardLog) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.String()
}
