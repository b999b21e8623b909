package sandbox

import (
	"context"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
)

// CheckPassword checks a login id of the ID way with its password.
func (b *Bank) CheckPassword(ctx context.Context, id corebank.LoginID, password secret.Value) (corebank.User, error) {
	s, ok := b.byLogin[id]
	if !ok || s.Method != corebank.PasswordLogin {
		if err := b.wait(ctx, nil, false); err != nil {
			return corebank.User{}, err
		}
		b.calls.count("CheckPassword", "") // ids that are nobody's are not kept: there is no end of them
		if err := b.waste(ctx, id, password); err != nil {
			return corebank.User{}, err
		}
		return corebank.User{}, corebank.WrongSecret{Remaining: -1}
	}
	if err := b.wait(ctx, s.company, false); err != nil {
		return corebank.User{}, err
	}
	b.calls.count("CheckPassword", string(id))
	if err := b.check(ctx, passwords, string(s.ID), secret.Of(s.Password), password); err != nil {
		return corebank.User{}, err
	}
	return b.userOf(ctx, s)
}

// UserOf returns the user that a certificate belongs to: the one whose login id
// is the common name, in the company that is its organization.
func (b *Bank) UserOf(ctx context.Context, c corebank.Certificate) (corebank.User, error) {
	login, ok1 := attribute(c.Subject, "CN")
	organization, ok2 := attribute(c.Subject, "O")
	s, ok := b.byLogin[corebank.LoginID(login)]
	ok = ok && ok1 && ok2 && !s.Unbound
	if !ok || s.Method != corebank.CertificateLogin || (organization != "" && organization != s.company.Name) {
		return corebank.User{}, fault.New(fault.NotFound, "find the user of certificate %s", c.Serial)
	}
	if err := b.wait(ctx, s.company, false); err != nil {
		return corebank.User{}, err
	}
	return b.userOf(ctx, s)
}

// attribute returns the value of an attribute of a distinguished name (RFC 4514
// §3), empty where there is none; a name that has it twice says nothing clear.
func attribute(name, wanted string) (value string, clear bool) {
	var key, part strings.Builder
	found, inValue := 0, false
	end := func() {
		if strings.EqualFold(strings.TrimSpace(key.String()), wanted) {
			value = part.String()
			found++
		}
		key.Reset()
		part.Reset()
		inValue = false
	}
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c == '\\' && i+1 < len(name):
			i++
			if pair, err := strconv.ParseUint(name[i:min(i+2, len(name))], 16, 8); err == nil && i+1 < len(name) {
				part.WriteByte(byte(pair))
				i++
			} else {
				part.WriteByte(name[i])
			}
		case c == ',' || c == '+':
			end()
		case c == '=' && !inValue:
			inValue = true
		case inValue:
			part.WriteByte(c)
		default:
			key.WriteByte(c)
		}
	}
	end()
	return value, found <= 1
}

// CheckPasswordOf checks the password of a user known by certificate.
func (b *Bank) CheckPasswordOf(ctx context.Context, user corebank.UserID, password secret.Value) error {
	s, err := b.seatOf(user)
	if err != nil {
		return err
	}
	if err := b.wait(ctx, s.company, false); err != nil {
		return err
	}
	b.calls.count("CheckPasswordOf", string(user))
	return b.check(ctx, passwords, string(user), secret.Of(s.Password), password)
}

// Questions returns the user's registered questions.
func (b *Bank) Questions(ctx context.Context, user corebank.UserID) ([]corebank.Question, error) {
	s, err := b.seatOf(user)
	if err != nil {
		return nil, err
	}
	if err := b.wait(ctx, s.company, false); err != nil {
		return nil, err
	}
	var all []corebank.Question
	for _, q := range s.Questions {
		all = append(all, q.Question)
	}
	return all, nil
}

// CheckAnswer checks the answer to one of the user's questions.
func (b *Bank) CheckAnswer(ctx context.Context, user corebank.UserID, question corebank.QuestionID, answer secret.Value) error {
	s, err := b.seatOf(user)
	if err != nil {
		return err
	}
	if err := b.wait(ctx, s.company, false); err != nil {
		return err
	}
	for _, q := range s.Questions {
		if q.ID == question {
			b.calls.count("CheckAnswer", string(user))
			return b.check(ctx, answers, string(user)+" "+string(question), foldAnswer(secret.Of(q.Answer)), foldAnswer(answer))
		}
	}
	return fault.New(fault.NotFound, "find question %s of user %s", question, user)
}

// foldAnswer takes out what people type one way today and another tomorrow:
// width, kana, case and spaces.
func foldAnswer(v secret.Value) secret.Value {
	folded := strings.Map(func(r rune) rune {
		switch {
		case r == ' ' || r == '\u3000' || r == '\t':
			return -1
		case r >= 'ァ' && r <= 'ヶ':
			return r - 'ァ' + 'ぁ'
		}
		return r
	}, norm.NFKC.String(width.Widen.String(v.Reveal())))
	return secret.Of(strings.ToLower(folded))
}

// User returns a user.
func (b *Bank) User(ctx context.Context, user corebank.UserID) (corebank.User, error) {
	s, err := b.seatOf(user)
	if err != nil {
		return corebank.User{}, err
	}
	if err := b.wait(ctx, s.company, false); err != nil {
		return corebank.User{}, err
	}
	return b.userOf(ctx, s)
}

// Accounts returns the accounts of the user's company.
func (b *Bank) Accounts(ctx context.Context, user corebank.UserID) ([]corebank.Account, error) {
	s, err := b.seatOf(user)
	if err != nil {
		return nil, err
	}
	if err := b.wait(ctx, s.company, true); err != nil {
		return nil, err
	}
	all := make([]corebank.Account, 0, len(s.company.Accounts))
	for _, a := range s.company.Accounts {
		shown := a.Account
		closed, err := b.closed(ctx, b.accounts[a.ID])
		if err != nil {
			return nil, err
		}
		shown.Closed = closed
		all = append(all, shown)
	}
	return all, nil
}

// Rights returns what the user may do with each business function.
func (b *Bank) Rights(ctx context.Context, user corebank.UserID) ([]corebank.Right, error) {
	s, err := b.seatOf(user)
	if err != nil {
		return nil, err
	}
	if err := b.wait(ctx, s.company, true); err != nil {
		return nil, err
	}
	if s.Member.Rights != nil {
		return append([]corebank.Right(nil), s.Member.Rights...), nil
	}
	var all []corebank.Right
	for _, f := range corebank.Functions {
		all = append(all, corebank.Right{Function: f, Permitted: true})
	}
	return all, nil
}
