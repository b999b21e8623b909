package screens

import (
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/i18n"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/web/look"
)

type faultAt struct {
	field linkage.Field
	fault linkage.Fault
}

// faultKeys are the sentences for what is wrong at a field. Those with a
// counted twin in countedKeys are for when the bank does not say how many tries
// are left.
var faultKeys = map[faultAt]string{
	{linkage.LoginIDField, linkage.Missing}:        "fault.login_id_missing",
	{linkage.LoginIDField, linkage.TooLong}:        "fault.login_id_too_long",
	{linkage.PasswordField, linkage.Missing}:       "fault.password_missing",
	{linkage.PasswordField, linkage.TooLong}:       "fault.password_too_long",
	{linkage.PasswordField, linkage.WrongLogin}:    "fault.wrong_login",
	{linkage.PasswordField, linkage.WrongPassword}: "fault.wrong_password_uncounted",
	{linkage.AnswerField, linkage.Missing}:         "fault.answer_missing",
	{linkage.AnswerField, linkage.TooLong}:         "fault.answer_too_long",
	{linkage.AnswerField, linkage.WrongAnswer}:     "fault.wrong_answer_uncounted",
	{linkage.FunctionsField, linkage.Missing}:      "fault.functions_missing",
	{linkage.FunctionsField, linkage.NotOffered}:   "fault.functions_not_offered",
	{linkage.PINsField, linkage.Missing}:           "fault.pins_missing",
	{linkage.PINsField, linkage.NotOffered}:        "fault.pins_not_offered",
	{linkage.PINField, linkage.NotOffered}:         "fault.pins_not_offered",
	{linkage.PINField, linkage.Missing}:            "fault.pin_missing",
	{linkage.PINField, linkage.NotFourDigits}:      "fault.pin_not_four_digits",
	{linkage.PINField, linkage.WrongPIN}:           "fault.wrong_pin_uncounted",
	{linkage.PINField, linkage.PINStopped}:         "fault.pin_stopped",
	{linkage.PINField, linkage.ClosedAccount}:      "fault.account_closed",
	{linkage.PINField, linkage.NotTried}:           "fault.not_tried",
	{linkage.IntentField, linkage.Missing}:         "fault.intent_missing",
	{linkage.IntentField, linkage.StopChosen}:      "fault.intent_stop",
	{linkage.AccountsField, linkage.Missing}:       "fault.accounts_missing",
	{linkage.AccountsField, linkage.NotOffered}:    "fault.accounts_not_offered",
	{linkage.RenewsField, linkage.Missing}:         "fault.renews_missing",
	{linkage.RenewsField, linkage.NotOffered}:      "fault.renewal_gone",
	{linkage.RenewsField, linkage.GoneRenewal}:     "fault.renewal_gone",
}

var countedKeys = map[linkage.Fault]string{
	linkage.WrongPassword: "fault.wrong_password",
	linkage.WrongAnswer:   "fault.wrong_answer",
	linkage.WrongPIN:      "fault.wrong_pin",
}

// faultWords says what is wrong at a field.
func faultWords(w i18n.Words, e linkage.FieldError) string {
	var text string
	key, known := faultKeys[faultAt{e.Field, e.Fault}]
	counted, counts := countedKeys[e.Fault]
	switch {
	case counts && e.Left > 0:
		text = w.T(counted, "n", e.Left)
	case known:
		text = w.T(key)
	case e.Fault == linkage.TooMany:
		text = w.T("fault.too_many")
	default:
		text = w.T("fault.any")
	}
	if e.Wide {
		text += " " + w.T("fault.wide")
	}
	return text
}

// problems is the error summary of a page: the same words as at the fields.
func problems(w i18n.Words, j linkage.Journey) []look.Problem {
	var all []look.Problem
	for _, e := range j.Errors {
		text := faultWords(w, e)
		if e.Field == linkage.PINField {
			text = w.T("fault.in_row", "account", accountName(w, accountOf(j, e.Account)), "what", text)
		}
		all = append(all, look.Problem{Field: fieldID(j, e), Text: text})
	}
	return all
}

// fieldID returns the id of the element that an error leads to.
func fieldID(j linkage.Journey, e linkage.FieldError) string {
	switch e.Field {
	case linkage.PINField:
		return pinID(e.Account)
	case linkage.FunctionsField:
		return "functions"
	case linkage.PINsField:
		return "pins"
	case linkage.IntentField:
		return "intent-proceed"
	case linkage.AccountsField:
		return "accounts"
	case linkage.RenewsField:
		return "renews"
	}
	return string(e.Field)
}

// accountOf finds an account of the page.
func accountOf(j linkage.Journey, id corebank.AccountID) corebank.Account {
	if j.PIN != nil {
		for _, row := range j.PIN.Rows {
			if row.Account.ID == id {
				return row.Account
			}
		}
	}
	return corebank.Account{ID: id}
}

// accountName writes an account: 本店(001) 普通 1234567.
func accountName(w i18n.Words, a corebank.Account) string {
	kind := "account.other"
	switch a.Type {
	case corebank.Ordinary:
		kind = "account.ordinary"
	case corebank.Current:
		kind = "account.current"
	case corebank.Savings:
		kind = "account.savings"
	}
	return w.T("account.line", "branch", a.BranchName, "code", a.BranchCode, "type", w.T(kind), "number", a.Number)
}

// functionKeys are the names of the business functions and what a partner gets.
var functionKeys = map[corebank.BusinessFunction]struct{ name, data string }{
	corebank.BalanceInquiry:     {"function.balance", "function.balance_data"},
	corebank.TransactionInquiry: {"function.transactions", "function.transactions_data"},
	corebank.DepositInquiry:     {"function.deposits", "function.deposits_data"},
}

func functionNames(w i18n.Words, functions []corebank.BusinessFunction) []string {
	var names []string
	for _, f := range functions {
		names = append(names, w.T(functionKeys[f].name))
	}
	return names
}
