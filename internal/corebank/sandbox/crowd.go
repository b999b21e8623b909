package sandbox

import (
	"fmt"

	"renkei.dev/internal/corebank"
)

// Crowd returns n companies more, plainly fictional and all alike: one user, who
// logs in by password, and one account, whose inquiry PIN is registered. They are
// for measurements, whose many users must not stand in each other's way.
func Crowd(n int) []Company {
	all := make([]Company, 0, n)
	for i := 1; i <= n; i++ {
		login := fmt.Sprintf("crowd.%04d", i)
		// A savings account has few entries, so that a ledger costs no memory.
		a := account("001", corebank.Savings, 2_000_000+i, "", fmt.Sprintf("%04d", 3000+i%6000), 1_000_000, SeedRegistered)
		all = append(all, company(login, fmt.Sprintf("計測見本%04d株式会社", i), "ｹｲｿｸﾐﾎﾝ(ｶ", fmt.Sprintf("Keisoku Mihon %04d Inc.", i), []Account{a},
			member(person{login, "計測 一", corebank.MasterUser, "demo-" + login + "-2468", NoCertificate,
				"計測のための利用者です。", "A user for measurements."})))
	}
	return all
}
