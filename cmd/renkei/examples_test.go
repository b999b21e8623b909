package main

import (
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

func TestEveryCommandsHelpHasExamplesThatCanBeUnderstood(t *testing.T) {
	commands := 0
	var walk func(*kong.Node)
	walk = func(n *kong.Node) {
		commands++
		help := n.Detail
		if n.Parent == nil {
			help = n.Help
		}
		if !strings.Contains(help, examplesHead) {
			t.Errorf("%s --help has no examples", n.FullPath())
		}
		ours := 0
		for _, example := range examplesIn(goesOn.ReplaceAllString(help, " ")) {
			if strings.HasPrefix(example+" ", "  "+n.FullPath()+" ") {
				ours++
			}
			if err := understood(example); err != nil {
				t.Errorf("%s --help:\n%s\n%v", n.FullPath(), example, err)
			}
		}
		if ours == 0 {
			t.Errorf("%s --help has examples of other commands alone", n.FullPath())
		}
		for _, child := range n.Children {
			walk(child)
		}
	}
	walk(newParser().Model.Node)
	if commands < 40 {
		t.Errorf("only %d commands were met", commands)
	}
}

var (
	goesOn  = regexp.MustCompile(`\s*\\\n\s*`)
	comment = regexp.MustCompile(` {2,}\S.*$| < \S+$`)
	quoted  = regexp.MustCompile(`"([^"]*)"|(\S+)`)
)

// understood parses an example as the command line that it shows.
func understood(example string) error {
	var args []string
	for _, word := range quoted.FindAllStringSubmatch(comment.ReplaceAllString(strings.TrimSpace(example), ""), -1) {
		args = append(args, word[1]+word[2])
	}
	helped := false
	parser := newParser(kong.Writers(io.Discard, io.Discard), kong.Exit(func(int) { helped = true }))
	_, err := parser.Parse(args[1:])
	if helped {
		return nil
	}
	return err
}
