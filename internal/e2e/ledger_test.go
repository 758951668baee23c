package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/rs/zerolog"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/ledger"
	"github.com/oubli/oubli/jobs"
)

// evidence is a ledger in a directory, and the identity that reads it.
type evidence struct {
	dir      string
	identity *age.X25519Identity
}

func newEvidence(t *testing.T) evidence {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return evidence{dir: t.TempDir(), identity: id}
}

func (e evidence) settings() []string {
	return []string{"OUBLI_LEDGER_URL=file://" + e.dir, "OUBLI_LEDGER_RECIPIENTS=" + e.identity.Recipient().String(),
		"OUBLI_LEDGER_SECRET=" + strings.Repeat("f", 32)}
}

// records reads the ledger of a database.
func (e evidence) records(t *testing.T, db *bookingdb.DB) (all []jobs.LedgerRecord) {
	t.Helper()
	id := db.Strings(t, "SELECT database_id::text FROM oubli.epoch")[0]
	names, err := filepath.Glob(filepath.Join(e.dir, "v1", id, "*.age"))
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		o, err := ledger.Open(data, id, int64(i+1), e.identity)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, o.Records...)
	}
	return all
}

// recorded waits until the ledger has the outcome of every batch, and returns its
// records.
func (e evidence) recorded(t *testing.T, db *bookingdb.DB) []jobs.LedgerRecord {
	t.Helper()
	bookingdb.Wait(t, "the outcomes to be in the ledger", func() bool {
		return db.Int(t, "SELECT count(*) FROM oubli.tasks WHERE kind <> 'mail' AND ledger_outcome IS NULL") == 0
	})
	return e.records(t, db)
}

func TestTheLedgerSaysWhoWasErasedAndWhoWasNot(t *testing.T) {
	t.Parallel()
	s, e := newStack(t), newEvidence(t)
	service := s.startWith(t, both, e.settings()...)
	c := admin(t, service, "1")
	asked := s.plain(t, 1, 50)
	s.Exec(t, "UPDATE clients SET legal_hold = true WHERE id = $1::text::bigint", asked[3])
	job := until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: append(asked, "987654321")}).ID, "the end", ended)

	left := map[string]string{}
	for _, r := range e.recorded(t, s.DB) {
		if r.JobID != job.ID || r.Tenant != "1" || r.Kind != jobs.LedgerErasure {
			t.Errorf("got %+v", r)
		}
		switch r.Record {
		case jobs.IntentRecord:
			for i, key := range r.Keys {
				left[key] = "erased"
				if (r.Prints[i] == "") != (key == "987654321") {
					t.Errorf("the fingerprint of %s is %q", key, r.Prints[i])
				}
			}
			if r.Listed == nil || r.Late || r.Reason != jobs.SubjectRequest {
				t.Errorf("got %+v", r)
			}
		case jobs.OutcomeRecord:
			for _, x := range r.Exceptions {
				if x.Outcome != jobs.ErasedRetained {
					left[x.ClientID] = x.Code
				}
			}
		}
	}
	if len(left) != 51 || left[asked[3]] != "legal_hold" || left["987654321"] != "not_found" || left[asked[0]] != "erased" {
		t.Errorf("the ledger says %v", left)
	}
	for _, name := range []string{"intent", asked[0] + `"`} {
		matches, _ := filepath.Glob(e.dir + "/v1/*/*")
		for _, file := range matches {
			if b, err := os.ReadFile(file); err != nil || strings.Contains(string(b), name) {
				t.Errorf("%s shows %s (%v)", file, name, err)
			}
		}
	}
}

func TestAJobIsBlockedWhileItsLedgerDoesNotAnswerAndContinuesByItself(t *testing.T) {
	t.Parallel()
	s, e := newStack(t), newEvidence(t)
	if err := os.Remove(e.dir); err != nil {
		t.Fatal(err)
	}
	service := s.startWith(t, both, e.settings()...)
	if status, failing := ready(t, service); status != http.StatusServiceUnavailable || !strings.Contains(fmt.Sprint(failing), e.dir) {
		t.Errorf("/readyz: %d %v", status, failing)
	}
	c := admin(t, service, "1")
	asked := s.plain(t, 1, 3)
	before := s.Untouched(t, nil)
	id := mustErase(t, c, apiclient.Erasure{ClientIDs: asked}).ID
	blocked := until(t, c, id, "the job to be blocked", func(j jobs.Job) bool { return j.State == jobs.Blocked })
	for _, want := range []string{"file://" + e.dir, "nothing is erased", "no such file or directory"} {
		if !strings.Contains(blocked.BlockedReason, want) {
			t.Errorf("%q does not say %q", blocked.BlockedReason, want)
		}
	}
	if !slices.Equal(s.Untouched(t, nil), before) {
		t.Error("rows have changed")
	}
	if err := os.Mkdir(e.dir, 0o750); err != nil {
		t.Fatal(err)
	}
	s.Exec(t, "UPDATE oubli.jobs SET blocked_until = now()") // not to wait for it
	if j := until(t, c, id, "the end", ended); j.State != jobs.Completed {
		t.Errorf("got %+v", j)
	}
	if n := len(e.recorded(t, s.DB)); n != 2 {
		t.Errorf("the ledger has %d records, want an intent and an outcome", n)
	}
}

// All test databases are copies of one, with its id. So a new one is the backup of
// another from before its first job.
func TestARestoredDatabaseIsRefusedByEveryProcess(t *testing.T) {
	t.Parallel()
	e := newEvidence(t)
	original := newStack(t)
	service := original.startWith(t, both, e.settings()...)
	c := admin(t, service, "1")
	until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: original.plain(t, 1, 5)}).ID, "the end", ended)
	e.recorded(t, original.DB)

	restored := newStack(t)
	waiting := restored.start(t, onlyAPI, app.Tuning{}) // without the ledger: it accepts
	id := mustErase(t, admin(t, waiting, "2"), apiclient.Erasure{ClientIDs: restored.plain(t, 2, 5)}).ID
	before := restored.Untouched(t, nil)
	service = restored.startWith(t, both, e.settings()...)
	req, err := http.NewRequest(http.MethodGet, "http://"+service.APIAddr+"/v1/erasures/"+id, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+mustMint(t, "2", jobs.Admin))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusServiceUnavailable ||
		!strings.Contains(string(body), `"database_restored"`) || !strings.Contains(string(body), "oubli replay") {
		t.Errorf("the API answers %d %s (%v)", resp.StatusCode, body, err)
	}
	if status, failing := ready(t, service); status != http.StatusServiceUnavailable ||
		!strings.Contains(fmt.Sprint(failing), "oubli replay") {
		t.Errorf("/readyz: %d %v", status, failing)
	}
	if _, text := readPage(t, service, "/metrics"); !strings.Contains(text, "\noubli_database_restored 1\n") {
		t.Error("no oubli_database_restored 1")
	}
	if !strings.Contains(restored.log.String(), "the database was restored; nothing is accepted or erased: run oubli replay") {
		t.Error("the log does not say it")
	}
	// Whatever hints arrive, nothing is claimed.
	task := restored.Strings(t, "SELECT id::text FROM oubli.tasks WHERE kind = 'batch'")[0]
	restored.hint(t, jobs.BatchTask, task)
	queue := restored.redisClient(t)
	bookingdb.Wait(t, "the hint to be taken", func() bool {
		return queue.LLen(t.Context(), "asynq:{bulk}:pending").Val()+queue.LLen(t.Context(), "asynq:{bulk}:active").Val() == 0
	})
	if n := restored.Int(t, "SELECT sum(attempt) FROM oubli.tasks"); n != 0 || !slices.Equal(restored.Untouched(t, nil), before) {
		t.Errorf("%d tasks were claimed, or rows have changed", n)
	}
	// Another process, which cannot see the ledger, hears of it from the database.
	blind := restored.start(t, onlyAPI, app.Tuning{})
	if _, text := readPage(t, blind, "/metrics"); !strings.Contains(text, "\noubli_database_restored 1\n") {
		t.Error("a process without the ledger goes on")
	}
}

func TestAWorkerWithoutTheLedgerOfItsDatabaseDoesNotStart(t *testing.T) {
	t.Parallel()
	s, e := newStack(t), newEvidence(t)
	service := s.startWith(t, both, e.settings()...)
	c := admin(t, service, "1")
	until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: s.plain(t, 1, 5)}).ID, "the end", ended)
	env := app.Environment{Variables: s.environ(), ReadFile: os.ReadFile}
	_, err := app.Start(t.Context(), env, onlyWorker, zerolog.New(&s.log), app.Tuning{})
	if err == nil || !strings.Contains(err.Error(), "OUBLI_LEDGER_URL: not set, and this database has a ledger") {
		t.Errorf("got %v", err)
	}
	s.startWith(t, onlyWorker, "OUBLI_LEDGER_URL=none")
}

func TestALedgerThatIsSwitchedOnLaterGetsWhatWasErasedBefore(t *testing.T) {
	t.Parallel()
	s, e := newStack(t), newEvidence(t)
	first := s.start(t, both, app.Tuning{})
	c := admin(t, first, "1")
	asked := s.plain(t, 1, 5)
	until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: asked}).ID, "the end", ended)
	dry := mustErase(t, c, apiclient.Erasure{ClientIDs: s.plain(t, 1, 5), DryRun: true}).ID
	until(t, c, dry, "the end", ended)
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.startWith(t, onlyWorker, e.settings()...)
	all := e.recorded(t, s.DB)
	if len(all) != 2 || !all[0].Late || !slices.Equal(all[0].Keys, asked) || all[1].Record != jobs.OutcomeRecord || all[1].Position != 5 {
		t.Errorf("got %+v", all)
	}
}
