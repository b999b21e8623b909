package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// columns are those of results.csv.
var columns = []string{"run", "plan", "variant", "module", "result", "suite", "commit"}

// table writes what came of the runs: every module in results.csv, a line for each run
// in results.md, and the plans' configurations with words for keys.
func table(dir, out string) error {
	if err := os.MkdirAll(filepath.Join(out, "plans"), 0o755); err != nil {
		return err
	}
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	rows := [][]string{columns}
	counts := map[string]map[string]int{}
	for _, r := range runs() {
		counts[r.name()] = map[string]int{}
		for _, one := range known(dir, r) {
			counts[r.name()][one.Result]++
			rows = append(rows, []string{r.name(), one.Plan, variantText(one.Variant), one.Module, one.Result, one.Suite, one.Commit})
		}
		configuration, err := withoutKeys(r)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(out, "plans", r.name()+".json"), configuration, 0o644); err != nil {
			return err
		}
	}
	if err := w.WriteAll(rows); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, "results.csv"), text.Bytes(), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, "results.md"), summary(counts, rows), 0o644)
}

// outcomes are the suite's words, worst last.
var outcomes = []string{"PASSED", "REVIEW", "WARNING", "SKIPPED", "FAILED", "INTERRUPTED"}

func summary(counts map[string]map[string]int, rows [][]string) []byte {
	var b bytes.Buffer
	measured := map[string]int{}
	for _, row := range rows[1:] {
		measured[row[5]+" against commit "+row[6]]++
	}
	b.WriteString("# Results of the conformance suite\n\n")
	for _, m := range slices.Sorted(maps.Keys(measured)) {
		fmt.Fprintf(&b, "Suite %s: %d modules. ", m, measured[m])
	}
	b.WriteString("Every module stands in\n`docs/conformance/results.csv`; what is not PASSED is explained in [conformance.md](../conformance.md#what-is-not-passed).\n\n")
	fmt.Fprintf(&b, "| Run | %s |\n|---|%s\n", strings.Join(outcomes, " | "), strings.Repeat("---:|", len(outcomes)))
	total := map[string]int{}
	line := func(name string, of map[string]int) {
		fmt.Fprintf(&b, "| %s |", name)
		for _, o := range outcomes {
			fmt.Fprintf(&b, " %d |", of[o])
		}
		b.WriteString("\n")
	}
	for _, r := range runs() {
		if of := counts[r.name()]; len(of) > 0 {
			line("`"+r.name()+"`", of)
			for o, n := range of {
				total[o] += n
			}
		}
	}
	line("**all**", total)
	other := map[string]map[string]int{}
	for _, row := range rows[1:] {
		if row[4] != "PASSED" {
			if other[row[4]] == nil {
				other[row[4]] = map[string]int{}
			}
			other[row[4]][row[3]]++
		}
	}
	for _, o := range outcomes {
		if len(other[o]) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n| Module | Runs |\n|---|---:|\n", o)
		for _, m := range slices.Sorted(maps.Keys(other[o])) {
			fmt.Fprintf(&b, "| %s | %d |\n", m, other[o][m])
		}
	}
	return b.Bytes()
}

func variantText(v map[string]string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(v)) {
		parts = append(parts, k+"="+v[k])
	}
	return strings.Join(parts, " ")
}

// withoutKeys is the configuration of a plan as it is kept: the suite's usual places,
// and words where a prepared directory has keys. Each of its parts stands on one line.
func withoutKeys(r run) ([]byte, error) {
	var words [2]clientKeys
	for i := range words {
		id := clientID(r.pair, i)
		words[i] = clientKeys{
			JWKS: map[string]any{"keys": []any{"the private key of " + id}}, Certificate: "the certificate of " + id + " in PEM",
			Key: "its private key in PEM", Authority: "the certificate of the authority that issued it in PEM",
		}
	}
	c := r.configuration(places{Suite: "https://localhost:8443/", Port: defaultPort}, words)
	var b bytes.Buffer
	b.WriteString("{\n")
	for i, key := range slices.Sorted(maps.Keys(c)) {
		value, err := json.Marshal(c[key])
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteString(",\n")
		}
		fmt.Fprintf(&b, "  %q: %s", key, value)
	}
	b.WriteString("\n}\n")
	return b.Bytes(), nil
}
