package service

import "time"

// account is an account as the bank's API described it, with what was fetched.
type account struct {
	ID        string    `json:"id"`
	Branch    string    `json:"branch"`
	Type      string    `json:"type"`
	Number    string    `json:"number"`
	Holder    string    `json:"holder"`
	Memo      string    `json:"memo,omitempty"`
	Balance   string    `json:"balance,omitempty"`   // whole yen; empty: never fetched
	Available string    `json:"available,omitempty"` // 支払可能残高
	FetchedAt time.Time `json:"fetched_at"`
	Problem   string    `json:"problem,omitempty"` // code of why the last fetch brought no figure
}

const outcomeLinked = "linked"

// message is one exchange with the bank as it went over the wire.
type message struct {
	at     time.Time
	Method string `json:"method"`
	URL    string `json:"url"`
}
