package sandbox

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sort"
	"sync"
	"time"

	"renkei.dev/internal/corebank"
)

// firstDay is when every account of the sandbox was opened. It never moves, so
// that entries and their ids are the same after any restart.
var firstDay = time.Date(2018, 1, 1, 0, 0, 0, 0, corebank.Japan)

// keptYears is how far back entries can be asked for.
const keptYears = 5

// ledger is an account's entries since firstDay. What happened on a day follows
// from the account and the day alone, and from the balance before it, so that
// the statement grows by the day and always adds up.
type ledger struct {
	mu      sync.Mutex
	of      *vault
	through time.Time // midnight of the first day that is not posted yet
	entries []corebank.Entry
	latest  *corebank.Balance // of the last day that is posted; nil: nobody asked yet
}

// catchUp posts what happened through the day of now.
func (l *ledger) catchUp(now time.Time) {
	for ; !now.Before(l.through); l.through = l.through.AddDate(0, 0, 1) {
		l.post(l.through)
		l.latest = nil
	}
}

// between returns the entries posted from one day to another, both included, as
// they stand now.
func (l *ledger) between(now time.Time, from, to corebank.Date) []corebank.Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.catchUp(now)
	return l.posted(from, to)
}

func (l *ledger) posted(from, to corebank.Date) []corebank.Entry {
	first := sort.Search(len(l.entries), func(i int) bool { return l.entries[i].PostingDate >= from })
	n := sort.Search(len(l.entries), func(i int) bool { return l.entries[i].PostingDate > to })
	return l.entries[min(first, n):n:n]
}

// balanceAt returns the account's balances now. The last day's are kept, since
// inquiries repeat within it.
func (l *ledger) balanceAt(now time.Time) corebank.Balance {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.catchUp(now)
	lastDay := !now.Before(l.through.AddDate(0, 0, -1)) // not so for a clock that was set back
	if lastDay && l.latest != nil {
		return *l.latest
	}
	y, m, d := now.In(corebank.Japan).Date()
	today := corebank.DateOf(now)
	b := corebank.Balance{
		Current:          l.balanceOn(today),
		PreviousDay:      l.balanceOn(corebank.DateOf(time.Date(y, m, d-1, 0, 0, 0, 0, corebank.Japan))),
		PreviousMonthEnd: l.balanceOn(corebank.DateOf(time.Date(y, m, 0, 0, 0, 0, 0, corebank.Japan))),
	}
	b.Withdrawable = b.Current - l.uncleared(today)
	if lastDay {
		kept := b
		l.latest = &kept
	}
	return b
}

// balanceOn returns the balance at the end of day.
func (l *ledger) balanceOn(day corebank.Date) corebank.Yen {
	entries := l.posted("", day)
	if len(entries) == 0 {
		return l.of.Opening
	}
	return entries[len(entries)-1].Balance
}

// uncleared returns what was paid in by cheques on other banks and cannot be
// withdrawn on day yet.
func (l *ledger) uncleared(day corebank.Date) corebank.Yen {
	var sum corebank.Yen
	entries := l.posted("", day)
	for i := len(entries) - 1; i >= 0 && i >= len(entries)-chequesWithin; i-- {
		if e := entries[i]; e.Direction == corebank.In && e.ValueDate > day {
			sum += e.Amount
		}
	}
	return sum
}

// chequesWithin is how many entries back a cheque that is not cleared can stand.
const chequesWithin = 32

// day is one day of one account while it is being posted.
type day struct {
	*ledger
	at     time.Time
	date   corebank.Date
	chance *rand.Rand
	n      int // entries of this day so far
}

// post adds what happened on a day.
func (l *ledger) post(at time.Time) {
	h := fnv.New64a()
	fmt.Fprint(h, l.of.ID, at.Format(time.DateOnly))
	d := &day{l, at, corebank.DateOf(at), rand.New(rand.NewPCG(h.Sum64(), 1)), 0}
	weekday := at.Weekday() != time.Saturday && at.Weekday() != time.Sunday
	if l.of.Type == corebank.Savings {
		if at.Day() == 10 {
			d.in(20_000, "振替", "積立", nil)
		}
	} else {
		if weekday {
			d.business()
		}
		if d.chance.IntN(33) == 0 { // two alike on one day: only the ordinal tells them apart
			d.in(100_000, "現金", "窓口入金", nil)
			d.in(100_000, "現金", "窓口入金", nil)
		}
	}
	if at.Day() == 15 && (at.Month() == time.February || at.Month() == time.August) && l.of.Type != corebank.Current {
		d.in(max(1, d.balance()/2000), "利息", "預金利息", nil)
	}
}

// business posts a working day: receipts, payments, wages, bills.
func (d *day) business() {
	c := d.chance
	if c.IntN(100) < 55 {
		p := payers[c.IntN(len(payers))]
		amount := corebank.Yen(30_000 + 100*c.IntN(7_700))
		if c.IntN(40) == 0 { // sent wrongly, taken back, sent again
			wrong := d.in(amount*10, "振込", p.name, &p)
			d.add(corebank.Entry{Direction: corebank.Out, Amount: amount * 10, Kind: "取消", Remarks: p.name, Cancels: wrong})
			d.in(amount, "振込", p.name, &p)
			d.entries[len(d.entries)-1].Corrects = wrong
		} else {
			d.in(amount, "振込", p.name, &p)
		}
	}
	if l := d.ledger; l.of.Type == corebank.Current && c.IntN(100) < 12 { // cleared two days later
		d.in(corebank.Yen(50_000+1000*c.IntN(900)), "小切手", "他店券入金", nil)
		l.entries[len(l.entries)-1].ValueDate = corebank.DateOf(d.at.AddDate(0, 0, 2))
	}
	if c.IntN(100) < 30 {
		if d.out(corebank.Yen(20_000+100*c.IntN(4_800)), "振込", payees[c.IntN(len(payees))]) {
			d.out(440, "手数料", "振込手数料")
		}
	}
	switch d.at.Day() {
	case 25:
		d.out(corebank.Yen(600_000+1000*c.IntN(500)), "給与振込", "給与")
	case 27:
		d.out(corebank.Yen(18_000+c.IntN(9_000)), "口座振替", "デンキリヨウキン")
		d.out(corebank.Yen(9_000+c.IntN(3_000)), "口座振替", "ツウシンリヨウキン")
	}
	if rich := 3*d.of.Opening + 10_000_000; d.balance() > rich {
		d.out((d.balance()-d.of.Opening)/1000*1000, "振込", "セツビダイキン")
	}
}

func (d *day) balance() corebank.Yen {
	if n := len(d.entries); n > 0 {
		return d.entries[n-1].Balance
	}
	return d.of.Opening
}

func (d *day) in(amount corebank.Yen, kind, remarks string, from *payer) corebank.EntryID {
	e := corebank.Entry{Direction: corebank.In, Amount: amount, Kind: kind, Remarks: remarks}
	if from != nil {
		e.Remitter, e.Bank, e.Branch = from.name, from.bank, from.branch
		if d.chance.IntN(3) == 0 {
			e.EDI = fmt.Sprintf("INV%s%04d", d.at.Format("0601"), d.chance.IntN(10_000))
		}
	}
	return d.add(e)
}

// out posts a payment unless too little would be left.
func (d *day) out(amount corebank.Yen, kind, remarks string) bool {
	if d.balance()-amount < 50_000 {
		return false
	}
	d.add(corebank.Entry{Direction: corebank.Out, Amount: amount, Kind: kind, Remarks: remarks})
	return true
}

func (d *day) add(e corebank.Entry) corebank.EntryID {
	d.n++
	e.ID = corebank.EntryID(fmt.Sprintf("%s-%02d", d.at.Format("20060102"), d.n))
	e.PostingDate, e.ValueDate = d.date, d.date
	if e.Direction == corebank.In {
		e.Balance = d.balance() + e.Amount
	} else {
		e.Balance = d.balance() - e.Amount
	}
	d.entries = append(d.entries, e)
	return e.ID
}

// payer is somebody fictional who sends money, as the transfer names them.
type payer struct{ name, bank, branch string }

var payers = []payer{
	{"ｶ)ﾐﾎﾝﾌｰｽﾞ", "見本銀行", "中央支店"},
	{"ｻﾝﾌﾟﾙｺｳｷﾞﾖｳ(ｶ", "さんぷる信用金庫", "本店"},
	{"ﾕ)ﾚｲﾀﾞｲｼﾖｳｶｲ", "例題銀行", "駅前支店"},
	{"ﾄﾞ)ﾀﾒｼｼｽﾃﾑ", "見本銀行", "みなと支店"},
	{"ｶｸｳﾌﾞﾂｻﾝ(ｶ", "れんけい見本信用組合", "やまて支店"},
}

var payees = []string{"ｶ)ｼｲﾚﾐﾎﾝ", "ｻﾝﾌﾟﾙｳﾝｿｳ(ｶ", "ﾚｲﾀﾞｲﾌﾄﾞｳｻﾝ", "ﾐﾎﾝﾘ-ｽ(ｶ"}
