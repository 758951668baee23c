// Withservers runs a command with private servers. It starts PostgreSQL, sets
// OUBLI_TEST_DATABASE_URL to its URL, makes sure that redis-server is installed
// for the tests that start their own, runs the command and exits with its code.
// If OUBLI_TEST_DATABASE_URL is set already, it uses that server instead.
//
//	go run ./internal/local/withservers [-install] -- go test ./...
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/oubli/oubli/internal/local"
	"github.com/oubli/oubli/internal/testdb"
)

func main() {
	// Ctrl-C reaches the command too; wait for it, to report its exit code.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("withservers", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: withservers [-install] -- command [argument…]")
		flags.PrintDefaults()
	}
	install := flags.Bool("install", false, "install missing servers with the system's package manager")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() == 0 {
		flags.Usage()
		return 2
	}
	code, err := serve(ctx, *install, flags.Args(), environ, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "withservers:", err)
	}
	return code
}

func serve(ctx context.Context, install bool, command, environ []string, stdout, stderr io.Writer) (code int, err error) {
	starting, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	given := slices.ContainsFunc(environ, func(pair string) bool {
		key, value, _ := strings.Cut(pair, "=")
		return key == testdb.DatabaseURLKey && value != ""
	})
	if install {
		want := []local.Program{local.RedisServer}
		if !given {
			want = append(want, local.PostgreSQL)
		}
		if err := local.Install(starting, stderr, want...); err != nil {
			return 1, err
		}
	}
	if !given {
		p, startErr := local.StartPostgres(starting, local.PostgresOptions{})
		if startErr != nil {
			return 1, startErr
		}
		defer func() {
			if closeErr := p.Close(); closeErr != nil {
				code, err = max(code, 1), errors.Join(err, closeErr)
			}
		}()
		environ = append(environ, testdb.DatabaseURLKey+"="+p.URL("postgres"))
	}
	return execute(ctx, command, environ, stdout, stderr)
}

// execute runs the command and returns its exit code, as a shell counts it.
func execute(ctx context.Context, command, environ []string, stdout, stderr io.Writer) (int, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = environ
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, stdout, stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		if err != nil {
			return 127, err
		}
		return 0, nil
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return exit.ExitCode(), nil
}
