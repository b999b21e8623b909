package oauth

import (
	"testing"

	"renkei.dev/internal/corebank"
)

func TestAScopeIsCutToWhatIsAllowedAndOneThatCannotBeReadToNothing(t *testing.T) {
	allowed := scopes{"openid", "accounts:balance"}
	for granted, want := range map[string]string{
		"":                           "",
		"openid accounts:balance":    "openid accounts:balance",
		"openid offline_access":      "openid",
		"openid  offline_access":     "",
		"offline_access \"openid\" ": "",
	} {
		if got := cutScope(granted, allowed, []corebank.BusinessFunction{}); got != want {
			t.Errorf("%q was cut to %q, want %q", granted, got, want)
		}
	}
}
