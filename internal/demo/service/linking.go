package service

import (
	"errors"
	"net/http"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
)

func (s *Service) startLinking(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	session, err := s.session(r)
	if err == nil && session == 0 {
		var cookie secret.Value
		if session, cookie, err = s.keep.beginSession(ctx); err == nil {
			setCookie(w, sessionCookie, cookie.Reveal())
		}
	}
	if err != nil {
		s.broken(w, r, err)
		return
	}
	functions := s.config.Functions
	if r.PostFormValue("ask") == "narrow" && len(s.config.Narrow) > 0 {
		functions = s.config.Narrow
	}
	language := string(s.frame(r, "home").Language())
	to, err := (&bank{s, session}).begin(ctx, functions, language)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// callback is the redirect URI (RFC 6749 §4.1.2). Shown twice, it says the same
// twice and redeems once.
func (s *Service) callback(w http.ResponseWriter, r *http.Request) {
	ctx, q := r.Context(), r.URL.Query()
	session, err := s.session(r)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	state := secret.Of(q.Get("state"))
	a, err := s.keep.attemptOf(ctx, session, state)
	switch {
	case errors.Is(err, fault.NotFound):
		s.trouble(w, r, http.StatusBadRequest, "unknown_state", "")
		return
	case err != nil:
		s.broken(w, r, err)
		return
	}
	lock := &s.finishing[a.id%int64(len(s.finishing))]
	lock.Lock()
	defer lock.Unlock()
	if a, err = s.keep.attemptOf(ctx, session, state); err != nil { // as whoever held the lock left it
		s.broken(w, r, err)
		return
	}
	b := &bank{s, session}
	if a.Outcome == "" {
		b.recordFront(ctx, "callback", s.config.URL+r.URL.RequestURI())
		if a.Outcome, err = b.finish(r, a, state); err != nil {
			s.failed(w, r, err) // the attempt stays open: a reload tries again
			return
		}
	}
	if a.Outcome == outcomeLinked {
		http.Redirect(w, r, "/?done=linked", http.StatusSeeOther)
		return
	}
	s.trouble(w, r, http.StatusOK, a.Outcome, q.Get("error"))
}

// finish judges an authorization response, redeems its code and fetches what it
// opens. It returns the outcome, a word of trouble unless outcomeLinked. An error
// says that another try may help.
func (b *bank) finish(r *http.Request, a attempt, state secret.Value) (string, error) {
	// A browser that reloads cancels its request. The code would be spent all the
	// same, and the answer lost.
	ctx := withoutEnd(r.Context())
	q := r.URL.Query()
	trouble := ""
	switch {
	case q.Get("iss") != b.s.config.Issuer: // RFC 9207 §2.4
		trouble = "other_issuer"
	case q.Get("error") != "":
		if trouble = q.Get("error_description"); !known("trouble." + trouble) {
			trouble = q.Get("error")
		}
	case q.Get("code") == "":
		trouble = "no_code"
	}
	var l link
	if trouble == "" {
		var err error
		l, err = b.redeem(ctx, q.Get("code"), a.Verifier)
		var refused refusal
		switch {
		case errors.As(err, &refused) && refused.Status < http.StatusInternalServerError:
			trouble = refused.code()
		case err != nil:
			return "", err
		}
	}
	if trouble != "" {
		if !known("trouble." + trouble) {
			trouble = "other"
		}
		a.Outcome = trouble
		return trouble, b.s.keep.endAttempt(ctx, state, a)
	}
	id, err := b.s.keep.addLink(ctx, a, state, l)
	if err != nil {
		return "", err
	}
	l.id = id
	b.load(ctx, &l)
	return outcomeLinked, b.s.keep.saveLink(ctx, b.session, l)
}

func (s *Service) refreshLink(w http.ResponseWriter, r *http.Request) {
	session, l, ok := s.linkOf(w, r)
	if !ok {
		return
	}
	ctx, b := withoutEnd(r.Context()), &bank{s, session}
	done := "refreshed"
	if err := b.refresh(ctx, &l); err != nil {
		l.Problem = problemCode(err)
	} else {
		b.load(ctx, &l)
	}
	if l.Problem != "" {
		done = ""
	}
	if err := s.keep.saveLink(ctx, session, l); err != nil {
		s.broken(w, r, err)
		return
	}
	http.Redirect(w, r, "/?done="+done, http.StatusSeeOther)
}

type unlinkView struct {
	frame
	ID       int64
	Accounts []account
}

func (s *Service) confirmUnlink(w http.ResponseWriter, r *http.Request) {
	if _, l, ok := s.linkOf(w, r); ok {
		s.show(w, r, http.StatusOK, "unlink", unlinkView{s.frame(r, "unlink"), l.id, l.Accounts})
	}
}

// unlink revokes at the bank first: what was forgotten here and lives on there,
// nobody could end any more.
func (s *Service) unlink(w http.ResponseWriter, r *http.Request) {
	session, l, ok := s.linkOf(w, r)
	if !ok {
		return
	}
	ctx := withoutEnd(r.Context())
	if err := (&bank{s, session}).revoke(ctx, l); err != nil {
		s.failed(w, r, err)
		return
	}
	if err := s.keep.removeLink(ctx, session, l.id); err != nil {
		s.broken(w, r, err)
		return
	}
	http.Redirect(w, r, "/?done=unlinked", http.StatusSeeOther)
}
