package screens

import (
	"context"
	"net/http"

	"renkei.dev/internal/linkage"
	"renkei.dev/internal/web/look"
)

// questionPage is AL-200.
type questionPage struct {
	look.Page
	Press    string
	Action   string
	Question string
	Answer   look.Field
}

func (s *Screens) questionPage(r *http.Request, j linkage.Journey) *questionPage {
	p := &questionPage{
		Page: s.page(r, j, "AL-200", "question.heading"), Press: j.Press, Action: address(j.ID, actionOf(linkage.Answer)),
		Question: j.Question.Question,
	}
	p.Answer = look.Field{
		ID: string(linkage.AnswerField), Label: p.T("question.answer"),
		Support: []string{p.T("question.answer_support", "n", j.Question.MaxRunes)},
		Error:   p.ProblemAt(string(linkage.AnswerField)), Autocomplete: "off", Required: true, Words: p.Words,
	}
	return p
}

func (s *Screens) answer(ctx context.Context, v linkage.Visit, f form) (linkage.Result, error) {
	return s.Linkage.Answer(ctx, v, linkage.AnswerPress{Answer: f.secret(string(linkage.AnswerField))})
}
