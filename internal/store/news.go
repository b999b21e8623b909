package store

import (
	"sync"
	"sync/atomic"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/partner"
)

// Kind names rows of an institution that nodes keep in memory, and whose change
// is announced to all of them in the commit that makes it.
type Kind string

// What is announced.
const (
	Clients  Kind = "clients"
	Partners Kind = "partners"
	Keys     Kind = "keys"
)

// announced tells of which kind a change is news. Whatever a node keeps in memory
// must have its changes here.
func announced(c audit.Change) (Kind, bool) {
	switch c.(type) {
	case partner.Registered, partner.StatusChanged:
		return Partners, true
	case oauth.ClientRegistered, oauth.ClientChanged, oauth.ClientRemoved:
		return Clients, true
	case oauth.KeyAdded, oauth.KeyActivated, oauth.KeyRetired, oauth.KeyRemoved:
		return Keys, true
	}
	return "", false
}

const (
	// unheardFor is how long what was read is good where no news would reach us:
	// without LISTEN, when its connection is down, and for commands that work on a
	// SQLite file beside the server. A stop holds on every node within a second
	// (protocol.md §4 item 11), and half of that is left for the rest.
	unheardFor = 500 * time.Millisecond
	// heardFor is how long it is good where news reach us.
	heardFor = 30 * time.Second
)

// news is what a process knows of changes, its own and other nodes'.
type news struct {
	everything atomic.Int64 // counts the moments at which anything may have been missed
	heardUntil atomic.Int64 // nanoseconds after began: until then all news have come in
	began      time.Time    // carries the monotonic clock

	mu     sync.Mutex
	topics map[string]*atomic.Int64 // counts changes, by topicOf
}

func newNews() *news { return &news{began: time.Now(), topics: map[string]*atomic.Int64{}} }

func topicOf(institution string, k Kind) string { return string(k) + " " + institution }

func (n *news) topic(name string) *atomic.Int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	t := n.topics[name]
	if t == nil {
		t = new(atomic.Int64)
		n.topics[name] = t
	}
	return t
}

// changed says that a topic's rows have changed. Topics that nobody asked for are
// not remembered, so that what others announce takes no memory.
func (n *news) changed(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if t := n.topics[name]; t != nil {
		t.Add(1)
	}
}

// missed says that anything may have changed.
func (n *news) missed() { n.everything.Add(1) }

// heard says that whatever was committed before at has come in.
func (n *news) heard(at time.Time) { n.heardUntil.Store(int64(at.Sub(n.began) + unheardFor)) }

// deaf says that from now on nothing comes in.
func (n *news) deaf() { n.heardUntil.Store(0) }

// Fresh is called before rows of a kind are read to be kept in memory. The
// returned still tells whether they may be used once more: not after a change by
// this process or news of another's, nor half a second after the reading where
// news may not reach us, nor half a minute after it otherwise. It is cheap.
func (in *Institution) Fresh(k Kind) (still func() bool) {
	n := in.db.news
	topic := n.topic(topicOf(in.id, k))
	then, everything, began := topic.Load(), n.everything.Load(), time.Since(n.began)
	return func() bool {
		if topic.Load() != then || n.everything.Load() != everything {
			return false
		}
		now := time.Since(n.began)
		return now-began < unheardFor || now-began < heardFor && int64(now) < n.heardUntil.Load()
	}
}

// topicsOf returns what all nodes have to be told of the changes.
func (in *Institution) topicsOf(changes []audit.Change) (topics []string) {
	for _, c := range changes {
		if k, is := announced(c); is {
			topics = append(topics, topicOf(in.id, k))
		}
	}
	return topics
}
