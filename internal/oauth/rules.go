package oauth

// rule is one line of an ordered table: the clause that it enforces, the
// profiles that it is for, and what it objects to.
type rule[T any] struct {
	clause   string
	profiles profileSet
	objects  func(T) *Failure
}

// profileSet is the profiles that a rule is for; nil is all of them.
type profileSet map[Profile]bool

var (
	all   profileSet
	fapi2 = profileSet{FAPI2: true}
	fapi1 = profileSet{FAPI1Adv: true}
)

func (s profileSet) has(p Profile) bool { return s == nil || s[p] }

// judge runs the rules top to bottom; the first to object is the answer.
func judge[T any](p Profile, rules []rule[T], t T) *Failure {
	for _, r := range rules {
		if !r.profiles.has(p) {
			continue
		}
		if f := r.objects(t); f != nil {
			return f
		}
	}
	return nil
}
