// Command renkei is the bank's side of API linkage: the server, a whole demo
// bank on one machine, and the commands of the bank's staff.
//
// Every subcommand is a file of its own and one struct whose tags are its help.
// Nothing is decided here: a command opens what it needs through app or demo,
// calls one function and says what came of it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"renkei.dev/internal/fault"
)

// commands is every subcommand.
type commands struct {
	Demo    demoCommand    `cmd:"" help:"Run a whole demo bank with two API partners on this machine."`
	Serve   serveCommand   `cmd:"" help:"Serve the institutions of a configuration file."`
	Partner partnerCommand `cmd:"" help:"Register, list, show, stop, resume and invite API partners, and look after their clients."`
	Consent consentCommand `cmd:"" help:"List, suspend, resume and end customers' consents."`
	Key     keyCommand     `cmd:"" help:"Make, rotate and list the keys that the issuer signs with."`
	DB      dbCommand      `cmd:"" name:"db" help:"Look after the database."`
	Audit   auditCommand   `cmd:"" help:"Verify, show, prove and export the audit log."`
	Attack  attackCommand  `cmd:"" help:"Attack a running server and say whether it held."`
	Bench   benchCommand   `cmd:"" help:"Measure what this machine carries, with a server of its own."`
	JWT     jwtCommand     `cmd:"" name:"jwt" help:"For partners' engineers: explain and verify tokens, make client assertions."`
	DPoP    dpopCommand    `cmd:"" name:"dpop" help:"For partners' engineers: make and check DPoP proofs."`
	PAR     parCommand     `cmd:"" name:"par" help:"For partners' engineers: push an authorization request."`
	Version versionCommand `cmd:"" help:"Say which version this is."`
}

const description = `The bank's side of API linkage (API連携) for corporate internet banking.

Examples:
  renkei demo                                    a whole bank on this machine
  renkei serve --config /etc/renkei/renkei.yaml  a real one
  renkei partner add --help                      what a command does, with examples
  renkei version

Exit status: 0 done, 1 a failure of our own, 2 a command that cannot be understood,
3 something given is wrong, 4 not found, 5 refused or no longer so, 6 something
outside does not answer.`

// The exit statuses, beside 0.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInvalid     = 3
	exitNotFound    = 4
	exitRefused     = 5
	exitUnavailable = 6
)

// streams are where a command writes: out is its answer, err what goes on.
type streams struct{ out, err io.Writer }

func main() {
	os.Exit(run(os.Args[1:], streams{os.Stdout, os.Stderr}))
}

// run runs one command line and returns the exit status.
func run(args []string, to streams) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	status := -1
	parser := newParser(kong.Writers(to.out, to.err), kong.Exit(func(code int) { status = code }), kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(to))
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	switch {
	case status >= 0: // --help has said what there is to say
		return status
	case err != nil:
		fmt.Fprintf(to.err, "renkei: %s\nTry: %s --help\n", err, nearest(err))
		return exitUsage
	}
	if err := command.Run(); err != nil {
		fmt.Fprintf(to.err, "renkei: %s\n", sentence(err))
		return statusOf(err)
	}
	return 0
}

func newParser(more ...kong.Option) *kong.Kong {
	parser, err := kong.New(&commands{}, append(more,
		kong.Name("renkei"), kong.Description(description), kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Vars{"workloads": workloadNames()})...)
	if err != nil {
		panic(err) // the tags above are wrong
	}
	handDownExamples(parser.Model.Node)
	return parser
}

const examplesHead = "Examples:\n"

// handDownExamples lets the help of every command that has no examples of its own
// end with those of its group's that are of it.
func handDownExamples(group *kong.Node) {
	for _, n := range group.Children {
		if !strings.Contains(n.Detail, examplesHead) {
			own := ""
			for _, line := range examplesIn(group.Detail) {
				if strings.HasPrefix(line+" ", "  "+n.FullPath()+" ") {
					own += line + "\n"
				}
			}
			if own != "" {
				n.Detail = strings.TrimSpace(n.Detail + "\n\n" + examplesHead + own)
			}
		}
		handDownExamples(n)
	}
}

// examplesIn returns the lines of a help by which commands are called.
func examplesIn(help string) []string {
	var all []string
	for line := range strings.Lines(help) {
		if strings.HasPrefix(line, "  renkei ") {
			all = append(all, strings.TrimRight(line, "\n"))
		}
	}
	return all
}

// nearest is the command that was understood before a command line could be
// understood no further.
func nearest(err error) string {
	name := "renkei"
	if e, ok := errors.AsType[*kong.ParseError](err); ok {
		for _, step := range e.Context.Path {
			if step.Command != nil {
				name = step.Command.FullPath()
			}
		}
	}
	return name
}

// sentence is what an error says, without the kind of failure that may stand at
// the end of a line: the exit status says that.
func sentence(err error) string {
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		for kind := fault.Internal; kind <= fault.Limited; kind++ {
			line = strings.TrimSuffix(line, ": "+kind.Error())
		}
		lines[i] = line
	}
	return strings.Join(lines, "\n")
}

func statusOf(err error) int {
	switch fault.Of(err) {
	case fault.Invalid:
		return exitInvalid
	case fault.NotFound:
		return exitNotFound
	case fault.Refused, fault.Conflict, fault.Expired, fault.Limited:
		return exitRefused
	case fault.Unavailable:
		return exitUnavailable
	}
	if errors.Is(err, context.Canceled) {
		return 0 // stopped from outside, in good order
	}
	return exitFailed
}
