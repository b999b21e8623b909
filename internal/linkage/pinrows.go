package linkage

import (
	"slices"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/login"
)

// pinSpare is how many tries of an inquiry PIN are always left to the branch.
const pinSpare = 1

func (s *Service) pinLimit() login.Limit {
	return login.Limit{Tries: s.Rules.MaxPINTries, Spare: pinSpare}
}

// pinOf returns the PIN that serves a user for an account: their own, or where
// the institution lets it, a colleague's. One that is in use comes before one
// that was refused.
func (s *Service) pinOf(kept []StoredPIN, user corebank.UserID, a corebank.AccountID) (StoredPIN, bool) {
	var best StoredPIN
	found := false
	for _, p := range kept {
		if p.Account != a || p.User != user && !s.Rules.PINsOfColleague {
			continue
		}
		if !found || rank(p, user) > rank(best, user) {
			best, found = p, true
		}
	}
	return best, found
}

func rank(p StoredPIN, user corebank.UserID) int {
	r := 0
	switch p.State {
	case Registered:
		r = 4
	case Pending:
		r = 2
	}
	if p.User == user {
		r++
	}
	return r
}

// pinRows returns every inquiry account with the state of its PIN, in the bank's
// order.
func (s *Service) pinRows(st *standing) []PINRow {
	rows := make([]PINRow, 0, len(st.st.Accounts))
	for _, a := range st.st.Accounts {
		row := PINRow{Account: a, State: Unregistered}
		if p, ok := s.pinOf(st.pins, st.row.User, a.ID); ok {
			row.State = p.State
			if p.User != st.row.User {
				row.By = p.Name
			}
		}
		if i := slices.IndexFunc(st.staged, func(p StagedPIN) bool { return p.Account == a.ID }); i >= 0 {
			row.ThisTime, row.By, row.State = true, "", Staged
			if st.staged[i].State == Pending {
				row.State = Pending
			}
		}
		if i := slices.IndexFunc(st.st.PINFaults, func(f pinFault) bool { return f.Account == a.ID }); i >= 0 {
			row.Fault, row.Left = st.st.PINFaults[i].Fault, st.st.PINFaults[i].Left
		}
		if c, ok := st.counters[a.ID]; ok {
			row.Stopped = c.Left(st.now, s.pinLimit()) == 0
		}
		row.Chosen = (row.State == Unregistered || row.State == Rejected) && !row.Stopped
		rows = append(rows, row)
	}
	return rows
}

// usable tells whether an account in this state can be consented (rule 4).
func usable(p PINState) bool { return p == Registered || p == Staged || p == Pending }

func anyUsable(rows []PINRow) bool {
	return slices.ContainsFunc(rows, func(r PINRow) bool { return usable(r.State) })
}

// mergeStaged returns what is staged after more was: a later PIN of an account
// replaces an earlier one.
func mergeStaged(staged, more []StagedPIN) []StagedPIN {
	all := slices.DeleteFunc(slices.Clone(staged), func(p StagedPIN) bool {
		return slices.ContainsFunc(more, func(q StagedPIN) bool { return q.Account == p.Account })
	})
	return append(all, more...)
}
