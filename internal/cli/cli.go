package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/terminal"
	"github.com/oubli/oubli/jobs"
)

// The exit codes.
const (
	ExitDone       = 0
	ExitExceptions = 1 // the work has exceptions, or was refused
	ExitUsage      = 2 // usage or configuration
)

// commands lists the constructors of all commands; help shows them group by
// group in this order.
func commands() []func(*cli) *cobra.Command {
	return []func(*cli) *cobra.Command{
		(*cli).demo,
		(*cli).serve,
		(*cli).worker,
		(*cli).migrate,
		(*cli).mapCommands,
		(*cli).check,
		(*cli).plan,
		(*cli).grants,
		(*cli).scrub,
		(*cli).replay,
		(*cli).erase,
		(*cli).merge,
		(*cli).status,
		(*cli).token,
		(*cli).console,
		(*cli).version,
	}
}

// The groups that commands belong to, by [cobra.Command.GroupID].
const (
	groupStart = "start"
	groupRun   = "run"
	groupMap   = "map"
	groupUse   = "use"
)

var groups = []cobra.Group{
	{ID: groupStart, Title: "Start here:"},
	{ID: groupRun, Title: "Run it:"},
	{ID: groupMap, Title: "Say where personal data lives:"},
	{ID: groupUse, Title: "Use it (through the HTTP API):"},
}

const rootHelp = `oubli erases clients' personal data in bulk, in the background, from the
PostgreSQL database of a booking application, and can show that it did.

An application or a person asks the HTTP API (oubli serve) to erase clients;
workers (oubli worker) do it in batches; the person who asked gets one e-mail at the
end. What the law or reports need stays, without a link to any person.

Settings come from the environment: OUBLI_DATABASE_URL, OUBLI_REDIS_URL and so
on for the server and the workers, OUBLI_URL and OUBLI_TOKEN for the commands
that use the API. A mistake in them is named, key by key.

Exit codes: 0 done; 1 the work has exceptions or was refused; 2 usage or
configuration.`

// cli is one run of the program with its input and output, which tests replace.
type cli struct {
	environ        []string
	readFile       func(string) ([]byte, error)
	stdin          io.Reader
	stdout, stderr io.Writer
	asks           bool // a person at a terminal can answer questions
	draws          bool // stderr can redraw a line
	tune           app.Tuning
}

// Run is the whole program; the result is its exit code. Cancelling ctx stops
// it as a signal would.
func Run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return newCLI(environ, stdin, stdout, stderr).run(ctx, args)
}

// RunInteractive is [Run] with a person who answers questions through stdin,
// whatever stdin is.
func RunInteractive(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	c := newCLI(environ, stdin, stdout, stderr)
	c.asks = true
	return c.run(ctx, args)
}

func newCLI(environ []string, stdin io.Reader, stdout, stderr io.Writer) *cli {
	return &cli{
		environ: environ, readFile: os.ReadFile,
		stdin: stdin, stdout: stdout, stderr: stderr,
		asks: isTerminal(stdin) && isTerminal(stderr), draws: isTerminal(stderr),
	}
}

// isTerminal reports whether the stream is a terminal, and so a person's.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// env is where the settings come from.
func (c *cli) env() app.Environment {
	return app.Environment{Variables: c.environ, ReadFile: c.readFile}
}

func (c *cli) run(ctx context.Context, args []string) int {
	root := c.root()
	root.SetArgs(append([]string{}, args...)) // of nil, cobra would make os.Args
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitDone
	}
	code := ExitUsage // cobra's own complaints are about usage
	if e, ok := errors.AsType[*exitError](err); ok {
		code, err = e.code, e.err
	}
	if err != nil {
		for _, line := range errorLines(err) {
			fmt.Fprintf(c.stderr, "oubli: %s\n", line)
		}
	}
	return code
}

// root builds the command tree.
func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "oubli",
		Short:         "Erases clients' personal data in bulk",
		Long:          rootHelp,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(c.stdin)
	root.SetOut(c.stdout)
	root.SetErr(c.stderr)
	root.CompletionOptions.HiddenDefaultCmd = true
	for _, construct := range commands() {
		root.AddCommand(construct(c))
	}
	for _, g := range groups {
		if slices.ContainsFunc(root.Commands(), func(cmd *cobra.Command) bool { return cmd.GroupID == g.ID }) {
			root.AddGroup(&g)
		}
	}
	markRunErrors(root)
	return root
}

// exitError is an error that chooses the exit code. Without an err nothing
// more is said.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// exceptions is the error of a command that has already printed what went wrong.
func exceptions() error { return &exitError{code: ExitExceptions} }

// usage is a mistake in how the command was called.
func usage(format string, args ...any) error {
	return &exitError{ExitUsage, fmt.Errorf(format, args...)}
}

// markRunErrors gives every error that a command returns an exit code. Errors
// without one are cobra's own, about the command line.
func markRunErrors(cmd *cobra.Command) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error { return withExitCode(run(cmd, args)) }
	}
	for _, sub := range cmd.Commands() {
		markRunErrors(sub)
	}
}

func withExitCode(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*exitError](err); ok {
		return err
	}
	if _, ok := errors.AsType[*app.SettingsError](err); ok {
		return &exitError{ExitUsage, err}
	}
	return &exitError{ExitExceptions, err}
}

// errorLines is an error as people read it: one line, but for configuration,
// where every key has its own.
func errorLines(err error) []string {
	if s, ok := errors.AsType[*app.SettingsError](err); ok && len(s.Lines()) > 0 {
		return s.Lines()
	}
	text := err.Error()
	if e, ok := errors.AsType[*jobs.Error](err); ok {
		switch {
		case e.Kind == jobs.Unauthenticated:
			text = "OUBLI_TOKEN: " + text
		case e.Code == "unreachable":
			text += "; is `oubli serve` running, and OUBLI_URL right?"
		}
		if e.Code != "" {
			text += " (" + e.Code + ")"
		}
	}
	text = strings.ReplaceAll(text, "\n\nDid you mean this?\n\t", "; did you mean ")
	return []string{terminal.Printable(text)}
}
