package main

import (
	"strings"

	"golang.org/x/tools/go/analysis"
)

// exception is a finding that is right and yet not to be fixed. Every one has
// its reason; file is a part of the path and text one of the message, and empty
// stands for all.
type exception struct {
	check, file, text string
	reason            string
}

var exceptions = []exception{
	{"noctx", "", "net.Listen must not be called", "binding a local port does not wait for anybody"},
	{"noctx", "_test.go", "", "a test's requests and processes end with the test binary, which has a timeout"},
	{"noctx", "internal/local/", "exec.Command must not be called", "private servers outlive the call that starts them; a watchdog ends them"},
	{"noctx", "internal/chaos/", "exec.Command must not be called",
		"the fault driver ends its processes itself, by the signal that the fault is"},
	{"bodyclose", "_test.go", "", "a body of a recorder or of http.ReadResponse holds no connection of a pool"},
	{"noctx", "/go-build", "", "what go test generates"},
	{"linelength", "/go-build", "", "what go test generates"},
}

// except lets an analyzer report only what no exception covers.
func except(a *analysis.Analyzer) {
	run := a.Run
	a.Run = func(pass *analysis.Pass) (any, error) {
		with := *pass
		with.Report = func(d analysis.Diagnostic) {
			file := pass.Fset.Position(d.Pos).Filename
			for _, e := range exceptions {
				if e.check == a.Name && strings.Contains(file, e.file) && strings.Contains(d.Message, e.text) {
					return
				}
			}
			pass.Report(d)
		}
		return run(&with)
	}
}
