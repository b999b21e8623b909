// Package login is how a customer proves who they are, as far as it can be said
// without a journey: which tries are still allowed (counter.go), when an
// additional question is asked (risk.go), and what a user was seen with (seen.go).
//
// It knows no page, no journey and no SQL, and it checks no secret: the bank
// does. Everything that decides here is pure; what is decided is committed as a
// change together with the press that it belongs to.
package login

import "time"

// Rules are what an institution decides about logins.
type Rules struct {
	Password    StopRule // of each way, by login id or by certificate
	AnswerTries int      // wrong answers in a row: 3
	PerMinute   int      // log-ins a minute and address: 30; 0 is no limit
	Risk        Weights
}

// StopRule is how wrong passwords stop the login (rule 9).
type StopRule struct {
	Tries   int           // wrong ones in a row that stop it: 5
	First   time.Duration // the first stop: 30 minutes; each further one is twice as long
	Longest time.Duration // but at most this: 24 hours
}
