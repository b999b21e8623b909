package login

// Facts is what is known about a login before it is decided whether to ask an
// additional question (rule 2).
type Facts struct {
	NewDevice      bool // the browser was never seen with this user
	NewNetwork     bool // nor its network
	FirstPartner   bool // the user never linked with this partner
	UnusualHour    bool // the user was never seen at about this hour
	Hasty          bool // the form was filled in faster than a person types
	RecentFailures int  // wrong passwords just before the right one
	Flagged        bool // the core's own suspicion
}

// Weights are how much each fact weighs, and from which sum on the question is
// asked.
type Weights struct {
	NewDevice    int
	NewNetwork   int
	FirstPartner int
	UnusualHour  int
	Hasty        int
	PerFailure   int
	Flagged      int
	AsksFrom     int // 0: never asks
}

// Point is one fact that weighed.
type Point struct {
	Fact   string
	Weight int
}

// Verdict is what the facts weigh, with the record of why.
type Verdict struct {
	Asks    bool
	Score   int
	Because []Point
}

// Judge weighs the facts.
func (w Weights) Judge(f Facts) Verdict {
	var v Verdict
	add := func(holds bool, fact string, weight int) {
		if holds && weight != 0 {
			v.Score += weight
			v.Because = append(v.Because, Point{fact, weight})
		}
	}
	add(f.NewDevice, "new_device", w.NewDevice)
	add(f.NewNetwork, "new_network", w.NewNetwork)
	add(f.FirstPartner, "first_partner", w.FirstPartner)
	add(f.UnusualHour, "unusual_hour", w.UnusualHour)
	add(f.Hasty, "hasty", w.Hasty)
	add(f.RecentFailures > 0, "recent_failures", f.RecentFailures*w.PerFailure)
	add(f.Flagged, "flagged", w.Flagged)
	v.Asks = w.AsksFrom > 0 && v.Score >= w.AsksFrom
	return v
}
