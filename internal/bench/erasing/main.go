package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// size is how much is measured, and what.
type size struct {
	clients, erase int
	runs           int
	verbose        bool
	flat           bool           // one tenant's jobs of every size, instead
	single         bool           // erasures of one client each, instead
	profile        bool           // count what each statement costs
	only           *regexp.Regexp // contenders whose names it finds
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("erasing", flag.ContinueOnError)
	flags.SetOutput(stderr)
	s := size{}
	flags.IntVar(&s.clients, "clients", 1_000_000, "how many clients the database has")
	flags.IntVar(&s.erase, "erase", 0, "how many of them each contender erases; a tenth of all unless set")
	flags.IntVar(&s.runs, "runs", 1, "how often each contender runs, in entries")
	flags.BoolVar(&s.verbose, "v", false, "tell how long each statement of the hand-written transaction takes")
	flags.BoolVar(&s.profile, "profile", false, "print what each statement costs; wants pg_stat_statements")
	flags.BoolVar(&s.flat, "flat", false, "measure one job of 10,000, of 100,000, and of all of one tenant's inactive clients "+
		"instead: -clients 3000000 has a million of them")
	flags.BoolVar(&s.single, "single", false, "measure erasures of one client each instead")
	only := flags.String("only", "", "a regular expression: only contenders whose names it finds")
	file := flags.String("json", "", "file to write the figures to, after every contender")
	chart := flags.String("svg", "", "file to draw the figures into, after every contender")
	path := flags.String("oubli", "bin/oubli", "the program to measure")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if s.erase == 0 {
		s.erase = s.clients / 10
		if s.single {
			s.erase = min(s.erase, 3000)
		}
	}
	var err error
	s.only, err = regexp.Compile(*only)
	if err != nil || flags.NArg() > 0 || s.clients < minClients || s.clients > 10_000_000 ||
		s.erase < 100 || s.erase > min(s.clients/10, 100_000) || s.runs < 1 {
		fmt.Fprintf(stderr, "erasing: want -clients %d..10000000, -erase 100..100000 and at most a tenth of them, -runs from 1, "+
			"-only a regular expression, and no arguments\n", minClients)
		return 2
	}
	if err := bench(ctx, s, *path, keeper{*file, *chart}, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "erasing:", err)
		return 1
	}
	return 0
}

// minClients is the smallest number with which every studio has clients to erase.
const minClients = 2000

func bench(ctx context.Context, s size, path string, keep keeper, stdout, stderr io.Writer) (err error) {
	p, err := openProgram(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	l, err := openLab(ctx, s, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	r, err := l.measure(ctx, p, contenders(p, s), keep.write)
	if r != nil && len(r.Results) > 0 {
		err = errors.Join(err, r.print(stdout))
	}
	return err
}

// keeper writes the results so far, so that an interrupted run is not lost.
type keeper struct{ json, svg string }

func (k keeper) write(r *report) error {
	if k.json != "" {
		data, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(k.json, append(data, '\n'), 0o644); err != nil {
			return err
		}
	}
	if k.svg == "" {
		return nil
	}
	return os.WriteFile(k.svg, []byte(r.chart()), 0o644)
}
