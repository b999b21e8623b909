package audit

import (
	"strconv"
	"sync"
	"time"
)

// keptDenials is how many refusals of one kind of caller go to the log in a
// minute and node. What comes beyond is counted, and the count stands in the next
// row, so that a flood is proved without being stored.
const keptDenials = 60

// Flood holds back refusals that whoever causes them can cause without end. The
// zero value is ready.
type Flood struct {
	mu     sync.Mutex
	minute int64
	kept   int
	left   int // not recorded since the last row
}

// Admit says whether a refusal is recorded. The act of one that is says how many
// were left out before it.
func (f *Flood) Admit(a *Act) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := a.At.Unix() / int64(time.Minute/time.Second); m != f.minute {
		f.minute, f.kept = m, 0
	}
	if f.kept >= keptDenials {
		f.left++
		return false
	}
	f.kept++
	if f.left > 0 {
		detail := map[string]string{"left_out_before": strconv.Itoa(f.left)}
		for k, v := range a.Detail {
			detail[k] = v
		}
		a.Detail, f.left = detail, 0
	}
	return true
}
