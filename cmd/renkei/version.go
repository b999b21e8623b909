package main

import (
	"fmt"
	"runtime/debug"
)

type versionCommand struct{}

// Help returns an example.
func (versionCommand) Help() string { return examplesHead + "  renkei version" }

// Run says which version this is, as far as the build tells.
func (versionCommand) Run(to streams) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		fmt.Fprintln(to.out, "renkei, of an unknown build")
		return nil
	}
	revision, changed := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = " " + s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = " with changes"
		}
	}
	fmt.Fprintf(to.out, "renkei %s%s%s (%s)\n", info.Main.Version, revision, changed, info.GoVersion)
	return nil
}
