package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// suite is the conformance suite's REST interface.
type suite struct {
	base string
	http *http.Client
}

func (s suite) call(ctx context.Context, method, path string, query url.Values, body, into any) error {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, s.base+path+"?"+query.Encode(), sent)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := s.http.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %.400s", method, path, answer.Status, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

// result is what came of one module.
type result struct {
	Plan    string            `json:"plan"`
	Variant map[string]string `json:"variant"`
	Module  string            `json:"module"`
	Result  string            `json:"result"` // PASSED, WARNING, REVIEW, SKIPPED, FAILED; INTERRUPTED when it did not end
	Notes   []note            `json:"notes,omitempty"`
	Log     string            `json:"log,omitempty"` // the suite's id of it
	Seconds int               `json:"seconds"`
	Suite   string            `json:"suite"`
	Commit  string            `json:"commit"` // of the server
	At      time.Time         `json:"at"`
}

// note is what the suite says about one condition that did not simply hold.
type note struct {
	Result    string   `json:"result"`
	Condition string   `json:"condition"`
	Message   string   `json:"message"`
	Clauses   []string `json:"clauses,omitempty"`
}

// patience is how long a module may take: those of what has expired wait for that.
func patience(module string) time.Duration {
	if strings.Contains(module, "expired") {
		return 6 * time.Minute
	}
	return 2 * time.Minute
}

// world is what a run goes on: a prepared directory, the suite's version and which
// commit of the server is under test.
type world struct {
	dir, version, commit string
	resumes              bool // what the commit passed before is not run again
	at                   places
	clients              map[string][2]clientKeys
}

func open(dir, version, commit string) (world, error) {
	w := world{dir: dir, version: version, commit: commit}
	for name, into := range map[string]any{placesFile: &w.at, clientsFile: &w.clients} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return w, fmt.Errorf("%s is not prepared: %w", dir, err)
		}
		if err := json.Unmarshal(text, into); err != nil {
			return w, fmt.Errorf("%s: %w", name, err)
		}
	}
	return w, nil
}

func runAll(ctx context.Context, dir, base, commit string, only chosen, parallel int, resumes bool) error {
	s := suite{base, &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: trusting()}}}
	var server struct{ Version string }
	if err := s.call(ctx, http.MethodGet, "api/server", nil, nil, &server); err != nil {
		return fmt.Errorf("the suite does not answer: %w", err)
	}
	w, err := open(dir, server.Version, commit)
	if err != nil {
		return err
	}
	w.resumes = resumes
	// Plans of one pair share an alias, and the suite runs one test of an alias at a time.
	byPair := map[string][]run{}
	var order []string
	for _, r := range runs() {
		if among(r.name(), only.plans) {
			if byPair[r.pair.name] == nil {
				order = append(order, r.pair.name)
			}
			byPair[r.pair.name] = append(byPair[r.pair.name], r)
		}
	}
	queue := make(chan string)
	var done sync.WaitGroup
	var mu sync.Mutex
	var first error
	for range max(parallel, 1) {
		done.Go(func() {
			for name := range queue {
				for _, r := range byPair[name] {
					if err := s.run(ctx, w, r, only.modules); err != nil {
						mu.Lock()
						if first == nil {
							first = fmt.Errorf("%s: %w", r.name(), err)
						}
						mu.Unlock()
					}
				}
			}
		})
	}
	for _, name := range order {
		queue <- name
	}
	close(queue)
	done.Wait()
	return first
}

// run runs one plan and keeps what came of it.
func (s suite) run(ctx context.Context, w world, r run, modules []string) error {
	variant, err := json.Marshal(r.variant)
	if err != nil {
		return err
	}
	var plan struct {
		ID      string `json:"id"`
		Modules []struct {
			TestModule string            `json:"testModule"`
			Variant    map[string]string `json:"variant"`
		} `json:"modules"`
	}
	err = s.call(ctx, http.MethodPost, "api/plan", url.Values{"planName": {r.plan}, "variant": {string(variant)}}, r.configuration(w.at, w.clients[r.pair.name]), &plan)
	if err != nil {
		return err
	}
	results := known(w.dir, r)
	for i, m := range plan.Modules {
		if !among(m.TestModule, modules) || w.resumes && done(results, m.TestModule, w.commit) {
			continue
		}
		began := time.Now()
		one := s.module(ctx, plan.ID, m.TestModule, m.Variant)
		one.Plan, one.Variant, one.Module = r.plan, r.variant, m.TestModule
		one.Seconds, one.Suite, one.Commit, one.At = int(time.Since(began)/time.Second), w.version, w.commit, began.UTC().Truncate(time.Second)
		fmt.Printf("%s %3d/%d %-11s %s (%d s)\n", r.name(), i+1, len(plan.Modules), one.Result, one.Module, one.Seconds)
		for _, n := range one.Notes {
			fmt.Printf("      %s %s: %.300s %s\n", n.Result, n.Condition, n.Message, strings.Join(n.Clauses, " "))
		}
		results = replaced(results, one)
		if err := keep(w.dir, r, results); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// module runs one test module to its end.
func (s suite) module(ctx context.Context, plan, name string, variant map[string]string) result {
	text, err := json.Marshal(variant)
	if err != nil {
		return broken(err)
	}
	var test struct {
		ID string `json:"id"`
	}
	query := url.Values{"test": {name}, "plan": {plan}, "variant": {string(text)}}
	if err := s.call(ctx, http.MethodPost, "api/runner", query, nil, &test); err != nil {
		return broken(err)
	}
	var info struct{ Status, Result string }
	started := false
	for end := time.Now().Add(patience(name)); ; {
		if err := s.call(ctx, http.MethodGet, "api/info/"+test.ID, nil, nil, &info); err != nil {
			return broken(err)
		}
		if info.Status == "FINISHED" || info.Status == "INTERRUPTED" {
			break
		}
		if info.Status == "CONFIGURED" && !started {
			started = true
			if err := s.call(ctx, http.MethodPost, "api/runner/"+test.ID, nil, nil, nil); err != nil {
				return broken(err)
			}
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return s.stopped(test.ID, patience(name))
		}
		time.Sleep(300 * time.Millisecond)
	}
	if info.Status == "INTERRUPTED" && info.Result != "FAILED" {
		info.Result = "INTERRUPTED"
	}
	r := result{Result: info.Result, Log: test.ID}
	if r.Result != "PASSED" { // of one that passed, notes are of ways that were not taken
		r.Notes = s.notes(ctx, test.ID)
	}
	return r
}

// stopped ends a test that waits for something that does not come.
func (s suite) stopped(test string, after time.Duration) result {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	notes := append(s.notes(ctx, test), note{Result: "FAILURE", Condition: "conformance", Message: "did not end in " + after.String()})
	_ = s.call(ctx, http.MethodDelete, "api/runner/"+test, nil, nil, nil) // it may have ended by itself
	return result{Result: "INTERRUPTED", Notes: notes, Log: test}
}

func broken(err error) result {
	return result{Result: "INTERRUPTED", Notes: []note{{Result: "FAILURE", Condition: "conformance", Message: err.Error()}}}
}

// notes are the conditions of a test that did not simply hold.
func (s suite) notes(ctx context.Context, test string) []note {
	var log []struct {
		Result       string   `json:"result"`
		Src          string   `json:"src"`
		Msg          string   `json:"msg"`
		Requirements []string `json:"requirements"`
	}
	if err := s.call(ctx, http.MethodGet, "api/log/"+test, nil, nil, &log); err != nil {
		return []note{{Result: "FAILURE", Condition: "conformance", Message: err.Error()}}
	}
	var notes []note
	for _, e := range log {
		switch e.Result {
		case "FAILURE", "WARNING", "REVIEW":
			notes = append(notes, note{e.Result, e.Src, e.Msg, e.Requirements})
		}
	}
	return notes
}

func resultFile(dir string, r run) string { return filepath.Join(dir, "results", r.name()+".json") }

// known is what earlier runs of the plan brought.
func known(dir string, r run) []result {
	var all []result
	if text, err := os.ReadFile(resultFile(dir, r)); err == nil {
		_ = json.Unmarshal(text, &all) // what cannot be read is run again
	}
	return all
}

func keep(dir string, r run, all []result) error {
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(resultFile(dir, r), append(text, '\n'), 0o600)
}

// done tells whether a module came to a good end with this commit.
func done(all []result, module, commit string) bool {
	for _, one := range all {
		if one.Module == module {
			return one.Commit == commit && one.Result != "FAILED" && one.Result != "INTERRUPTED"
		}
	}
	return false
}

func replaced(all []result, one result) []result {
	for i := range all {
		if all[i].Module == one.Module {
			all[i] = one
			return all
		}
	}
	return append(all, one)
}
