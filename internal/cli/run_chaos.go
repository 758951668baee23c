//go:build chaos

package cli

import (
	"context"
	"io"

	"github.com/oubli/oubli/internal/app"
)

// RunTuned is Run for a process of the fault driver, which changes the program
// in itself. A program that is built without the tag chaos has no way to that,
// whatever its environment says.
func RunTuned(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer, t app.Tuning) int {
	c := newCLI(environ, stdin, stdout, stderr)
	c.tune = t
	return c.run(ctx, args)
}
