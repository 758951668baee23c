package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/cli"
	"github.com/oubli/oubli/jobs"
)

// replay runs the command on a stack.
func (e evidence) replay(ctx context.Context, t *testing.T, s *stack, args ...string) (code int, out string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "identity.txt")
	if err := os.WriteFile(file, []byte(e.identity.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	environ := append(s.environ(), e.settings()...)
	code = cli.Run(ctx, append([]string{"replay", "--identity", file}, args...), environ, os.Stdin, &stdout, &stderr)
	t.Logf("oubli replay %v exits %d\n%s%s", args, code, &stdout, lines(stderr.String(), 30))
	return code, stdout.String()
}

func lines(text string, n int) string {
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-n):], "\n")
}

// left says which of the clients are in the database.
func (s *stack) left(t *testing.T, ids []string) []string {
	t.Helper()
	return s.Strings(t, "SELECT id::text FROM clients WHERE id = ANY($1::text[]::bigint[]) ORDER BY id", ids)
}

func TestReplayErasesAgainWhoCameBackAndTouchesNobodyElse(t *testing.T) {
	t.Parallel()
	e := newEvidence(t)
	original := newStack(t)
	ids := original.plain(t, 1, 60)
	erased, sources, target, reused := ids[:40], ids[40:42], ids[50], ids[52]
	original.Exec(t, "UPDATE clients SET legal_hold = true WHERE id = $1::text::bigint", ids[59])
	service := original.startWith(t, both, e.settings()...)
	c := admin(t, service, "1")
	until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: append(slices.Clone(erased), reused, ids[59])}).ID, "the end", ended)
	merges := apiclient.New("http://"+service.APIAddr, mustMint(t, "1", jobs.Admin))
	merge, err := merges.CreateMerge(t.Context(), apiclient.Merge{SourceIDs: sources,
		Target: apiclient.MergeTarget{ClientID: target}, DeleteSource: true, Conflicts: jobs.KeepTarget}, "k")
	if err != nil {
		t.Fatal(err)
	}
	bookingdb.Wait(t, "the merge", func() bool {
		return original.Int(t, "SELECT count(*) FROM oubli.jobs WHERE id = $1 AND finished_at IS NOT NULL", merge.ID) == 1
	})
	e.recorded(t, original.DB)
	moved := original.Int(t, "SELECT count(*) FROM appointments WHERE client_id = $1::text::bigint", target)
	if err := service.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	// The backup: everybody is back, and somebody else got the key of one of them. A
	// legal hold of then has been lifted before the client was erased.
	restored := newStack(t)
	restored.Exec(t, "UPDATE clients SET created_at = now() WHERE id = $1::text::bigint", reused)
	restored.Exec(t, "UPDATE clients SET legal_hold = true WHERE id = $1::text::bigint", erased[0])
	restored.countAgain(t)
	others := restored.Untouched(t, append(append(slices.Clone(erased), sources...), target))

	code, out := e.replay(t.Context(), t, restored, "--dry-run")
	if code != cli.ExitExceptions || !strings.Contains(out, "      42  are back") || len(restored.left(t, erased)) != 40 {
		t.Errorf("a dry run exits %d: %s", code, out)
	}
	restored.startWith(t, onlyWorker, e.settings()...) // helps, as soon as it may
	code, out = e.replay(t.Context(), t, restored)
	if code != cli.ExitDone || !strings.Contains(out, "      42  erased_again") || !strings.Contains(out, "       1  key_reused") {
		t.Errorf("it exits %d: %s", code, out)
	}
	if left := restored.left(t, append(slices.Clone(erased), sources...)); len(left) != 0 {
		t.Errorf("%v are still there", left)
	}
	if len(restored.left(t, []string{reused, ids[59], target})) != 3 {
		t.Error("somebody was erased who must not be")
	}
	if n := restored.Int(t, "SELECT count(*) FROM appointments WHERE client_id = $1::text::bigint", target); n != moved {
		t.Errorf("the target of the merge has %d appointments, and had %d", n, moved)
	}
	if !slices.Equal(restored.Untouched(t, append(append(slices.Clone(erased), sources...), target)), others) {
		t.Error("rows of others have changed")
	}
	next := restored.Int(t, "SELECT nextval(pg_get_serial_sequence('clients', 'id'))")
	if next <= restored.Int(t, "SELECT max(id) FROM clients") {
		t.Error("the next client would get an old key")
	}
	if report := restored.Strings(t, `SELECT concat_ws('/', keys, absent, erased_again, key_reused, in_doubt, refused,
		finished_at IS NOT NULL) FROM oubli.replays`); !slices.Equal(report, []string{"43/0/42/1/0/0/t"}) {
		t.Errorf("the report is %v", report)
	}

	// The service goes on, and writes the same ledger.
	api := restored.startWith(t, onlyAPI, e.settings()...)
	c = admin(t, api, "2")
	j := until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: restored.plain(t, 2, 5)}).ID, "the end", ended)
	if j.State != jobs.Completed {
		t.Errorf("got %+v", j)
	}
	e.recorded(t, restored.DB)
	if code, out := e.replay(t.Context(), t, restored); code != cli.ExitDone || !strings.Contains(out, "nothing to replay") {
		t.Errorf("a second replay exits %d: %s", code, out)
	}
}

func TestAReplayThatWasInterruptedGoesOnAndAddsUp(t *testing.T) {
	t.Parallel()
	e := newEvidence(t)
	original := newStack(t)
	erased := original.plain(t, 1, 60)
	service := original.startWith(t, both, e.settings()...)
	c := admin(t, service, "1")
	until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: erased}).ID, "the end", ended)
	e.recorded(t, original.DB)

	restored := newStack(t)
	release := restored.hold(t, erased[30]) // so that it cannot end
	ctx, interrupt := context.WithCancel(t.Context())
	done := make(chan int, 1)
	go func() {
		code, _ := e.replay(ctx, t, restored)
		done <- code
	}()
	bookingdb.Wait(t, "some to be erased again", func() bool { return len(restored.left(t, erased)) < 60 })
	interrupt()
	if code := <-done; code != cli.ExitUsage {
		t.Errorf("interrupted, it exits %d", code)
	}
	if why := restored.Strings(t, "SELECT restored FROM oubli.epoch")[0]; why == "" {
		t.Error("the service goes on")
	}
	release()
	code, out := e.replay(t.Context(), t, restored)
	if want := fmt.Sprintf("%8d  erased_again", 60); code != cli.ExitDone || !strings.Contains(out, want) {
		t.Errorf("it exits %d: %s", code, out)
	}
	if left := restored.left(t, erased); len(left) != 0 {
		t.Errorf("%v are still there", left)
	}
}

func TestReplayWithoutWhatItNeedsSaysSo(t *testing.T) {
	t.Parallel()
	e, other := newEvidence(t), newEvidence(t)
	original := newStack(t)
	service := original.startWith(t, both, e.settings()...)
	c := admin(t, service, "1")
	for range 3 {
		until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: original.plain(t, 1, 3)}).ID, "the end", ended)
		e.recorded(t, original.DB)
	}
	restored := newStack(t)
	stranger := evidence{dir: e.dir, identity: other.identity}
	if code, _ := stranger.replay(t.Context(), t, restored, "--dry-run"); code != cli.ExitUsage {
		t.Errorf("with the wrong identity it exits %d", code)
	}
	id := original.Strings(t, "SELECT database_id::text FROM oubli.epoch")[0]
	if err := os.Remove(filepath.Join(e.dir, "v1", id, "000000000003.age")); err != nil {
		t.Fatal(err)
	}
	code, out := e.replay(t.Context(), t, restored)
	if code != cli.ExitExceptions || !strings.Contains(out, "object 3 of the ledger is gone") ||
		!strings.Contains(out, "does not go on yet") {
		t.Errorf("without an object it exits %d: %s", code, out)
	}
}
