package partner

import (
	"time"

	"renkei.dev/internal/audit"
)

// The acts on a partner that the audit log keeps.
const (
	RegisteredName audit.Name = "partner.registered"
	StoppedName    audit.Name = "partner.stopped"
	ResumedName    audit.Name = "partner.resumed"
)

// Registered makes a partner known. It no longer holds when its id is taken.
type Registered struct {
	Partner Partner
	By      audit.Actor
	At      time.Time
}

// Act returns the act of the registration.
func (c Registered) Act() audit.Act {
	return audit.Act{
		Name: RegisteredName, At: c.At, Actor: c.By, Outcome: audit.Done,
		Object: string(c.Partner.ID), Partner: string(c.Partner.ID),
		Detail: map[string]string{"registration_number": c.Partner.RegistrationNumber},
	}
}

// StatusChanged stops a partner or lets it work again. It no longer holds when
// the partner does not stand at From.
type StatusChanged struct {
	Partner  ID
	From, To Status
	Reason   string // why, in the words of who did it
	By       audit.Actor
	At       time.Time
}

// Act returns the act of the stop or of its end.
func (c StatusChanged) Act() audit.Act {
	name := StoppedName
	if c.To == Active {
		name = ResumedName
	}
	return audit.Act{
		Name: name, At: c.At, Actor: c.By, Outcome: audit.Done,
		Object: string(c.Partner), Partner: string(c.Partner),
		Detail: map[string]string{"why": c.Reason},
	}
}
