package oauth

import "sync"

// maxBegun is how many requests a node keeps in mind between their opening and
// their answer.
const maxBegun = 512

// begunRequests are the requests that browsers opened at this node and that no
// press has answered yet. What was asked never changes once it is kept; whether it
// is spent is not believed from here, since the answer itself says so when it is
// committed. So the answer to a request costs no look-up at the node that opened it.
type begunRequests struct {
	mu    sync.Mutex
	kept  map[Key]PushedRequest
	order [maxBegun]Key // a ring of what came in
	next  int
}

func (b *begunRequests) put(p PushedRequest) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kept == nil {
		b.kept = make(map[Key]PushedRequest)
	}
	delete(b.kept, b.order[b.next])
	b.order[b.next] = p.Key
	b.next = (b.next + 1) % maxBegun
	b.kept[p.Key] = p
}

// take returns a request once: who answers it again has it looked up.
func (b *begunRequests) take(k Key) (PushedRequest, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, ok := b.kept[k]
	delete(b.kept, k)
	return p, ok
}
