package jobs_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/oubli/oubli/jobs"
)

func TestEveryKindOfErrorHasANameOfItsOwn(t *testing.T) {
	t.Parallel()
	seen := map[string]jobs.ErrorKind{}
	for i, k := range jobs.ErrorKinds() {
		if int(k) != i {
			t.Errorf("kind %d is listed at %d", k, i)
		}
		if other, twice := seen[k.String()]; twice {
			t.Errorf("kinds %d and %d are both %s", k, other, k)
		}
		seen[k.String()] = k
	}
	for _, k := range []jobs.ErrorKind{-1, jobs.ErrorKind(len(jobs.ErrorKinds()))} {
		if k.String() != "internal" {
			t.Errorf("unknown kind %d is called %s", int(k), k)
		}
	}
}

func TestAnErrorSaysItsMessageAndItsCause(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  *jobs.Error
		want string
	}{
		{&jobs.Error{Msg: "claim task"}, "claim task"},
		{&jobs.Error{Msg: "claim task", Err: io.EOF}, "claim task: EOF"},
		{&jobs.Error{Err: io.EOF}, "EOF"},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestTheKindIsFoundThroughWrapping(t *testing.T) {
	t.Parallel()
	inner := &jobs.Error{Kind: jobs.Conflict, Err: io.EOF}
	wrapped := fmt.Errorf("outer: %w", errors.Join(io.ErrClosedPipe, inner))
	if jobs.KindOf(wrapped) != jobs.Conflict || !errors.Is(wrapped, io.EOF) {
		t.Errorf("kind %s, EOF %v", jobs.KindOf(wrapped), errors.Is(wrapped, io.EOF))
	}
	for _, err := range []error{nil, io.EOF, &jobs.Error{}} {
		if jobs.KindOf(err) != jobs.Internal {
			t.Errorf("%v is %s, want internal", err, jobs.KindOf(err))
		}
	}
}
