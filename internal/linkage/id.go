package linkage

import (
	"strconv"
	"strings"

	"renkei.dev/internal/fault"
)

// JourneyID names one journey; it rises with time and is no secret.
type JourneyID int64

const journeyPrefix = "jny_"

// String returns the id as it stands in addresses, e.g. "jny_2f8k0c7yq9ps".
func (id JourneyID) String() string { return journeyPrefix + strconv.FormatInt(int64(id), 36) }

// ParseJourneyID reads what String wrote, and nothing else that would mean the
// same. Errors: fault.NotFound.
func ParseJourneyID(text string) (JourneyID, error) {
	digits, ok := strings.CutPrefix(text, journeyPrefix)
	n, err := strconv.ParseInt(digits, 36, 64)
	if id := JourneyID(n); ok && err == nil && n > 0 && id.String() == text {
		return id, nil
	}
	return 0, fault.New(fault.NotFound, "no journey has such a name")
}

// ConsentID names one customer's consent to one partner, e.g. "cns_5nq…".
type ConsentID string
