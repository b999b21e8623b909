// Package main runs the OpenID Foundation's conformance suite against a running
// renkei: it makes keys, certificates, a configuration and partners for a server
// that exists for this alone, drives the suite by its REST interface, and writes the
// table of results. It knows nothing of the suite's code and nothing of renkei's
// packages: it stands outside of both, as a tester would.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
)

const usage = `Usage:
  conformance prepare -dir DIR [-suite https://localhost:8443/] [-port 9640]
      makes everything a server needs that is tested: DIR/renkei.yaml, DIR/partners/*.json
      and what they name. All keys are new and good for nothing else.
  conformance run -dir DIR -commit COMMIT [-suite …] [-only WORDS] [-module WORDS] [-parallel 1] [-resume]
      runs the plans against the server, which is of that commit, and writes what came
      of them to DIR/results/; with -resume not what it passed before.
  conformance table -dir DIR -out docs/conformance
      writes the table of results and the plans' configurations without their keys.
  conformance plans
      lists the plans by name.

-only and -module take parts of names, or =whole ones, with commas between them.

docs/conformance.md says how a run goes from beginning to end.
`

// defaultPort is the first of five that a server under test listens at.
const defaultPort = 9640

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := command(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) error {
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		fmt.Print(usage)
		return nil
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	dir := flags.String("dir", "", "")
	suite := flags.String("suite", "https://localhost:8443/", "")
	port := flags.Int("port", defaultPort, "")
	only := flags.String("only", "", "")
	module := flags.String("module", "", "")
	parallel := flags.Int("parallel", 1, "")
	resume := flags.Bool("resume", false, "")
	commit := flags.String("commit", "", "")
	out := flags.String("out", "", "")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is too much; see conformance help", flags.Arg(0))
	}
	if args[0] == "plans" {
		for _, r := range runs() {
			fmt.Println(r.name())
		}
		return nil
	}
	if *dir == "" {
		return fmt.Errorf("-dir is missing; see conformance help")
	}
	folder, err := filepath.Abs(*dir)
	if err != nil {
		return err
	}
	base := strings.TrimSuffix(*suite, "/") + "/"
	switch args[0] {
	case "prepare":
		return prepare(folder, base, *port)
	case "run":
		if *commit == "" {
			return fmt.Errorf("-commit is missing; see conformance help")
		}
		return runAll(ctx, folder, base, *commit, chosen{words(*only), words(*module)}, *parallel, *resume)
	case "table":
		if *out == "" {
			return fmt.Errorf("-out is missing; see conformance help")
		}
		return table(folder, *out)
	}
	return fmt.Errorf("there is no command %q; see conformance help", args[0])
}

func words(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// chosen is what of the plans and modules is run; nothing chosen is all.
type chosen struct{ plans, modules []string }

func among(name string, words []string) bool {
	if len(words) == 0 {
		return true
	}
	for _, w := range words {
		if exact, is := strings.CutPrefix(w, "="); is && name == exact || !is && strings.Contains(name, w) {
			return true
		}
	}
	return false
}
