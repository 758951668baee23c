// Command lint is a vet tool (go vet -vettool=bin/lint ./...) with the checks
// that go vet and staticcheck do not have. They come from the modules from
// which golangci-lint takes them, in the same versions. golangci-lint itself
// would be built from source with a hundred more: many minutes on a small
// machine, where this takes seconds.
package main

import (
	"github.com/ryanrolds/sqlclosecheck/pkg/analyzer"
	"github.com/sonatard/noctx"
	"github.com/timakin/bodyclose/passes/bodyclose"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/unitchecker"

	"codeberg.org/polyfloyd/go-errorlint/errorlint"
)

func main() {
	unitchecker.Main(checks()...)
}

// checks is what runs, each as far as its exceptions go.
func checks() []*analysis.Analyzer {
	all := []*analysis.Analyzer{
		errorlint.NewAnalyzer(), // errors are compared and wrapped with errors.Is, As and %w
		bodyclose.Analyzer,      // a response's body is closed
		analyzer.NewAnalyzer(),  // rows and statements are closed
		noctx.Analyzer,          // requests, queries and processes have a context
		lineLength,              // lines are at most 140 characters
		noInit,                  // no func init
	}
	for _, a := range all {
		except(a)
	}
	return all
}
