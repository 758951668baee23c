package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/cli"
	"github.com/oubli/oubli/jobs"
)

// ready asks /readyz, and gives the checks that fail with their causes.
func ready(t *testing.T, s *app.Service) (status int, failing []string) {
	t.Helper()
	resp, err := http.Get("http://" + s.OpsAddr + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var verdict struct {
		Checks []struct{ Name, Status, Cause string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&verdict); err != nil {
		t.Fatal(err)
	}
	for _, check := range verdict.Checks {
		if check.Status != "ok" {
			failing = append(failing, check.Name+": "+check.Cause)
		}
	}
	return resp.StatusCode, failing
}

func TestAForeignKeyThatTheMapDoesNotKnowKeepsWorkersFromStarting(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.Exec(t, "CREATE TABLE loyalty_points (id bigint PRIMARY KEY, holder bigint NOT NULL REFERENCES clients, points int)")

	for _, args := range [][]string{{"worker"}, {"serve", "--worker"}} {
		var out, errs bytes.Buffer
		code := cli.Run(t.Context(), args, s.environ(), os.Stdin, &out, &errs)
		if code != cli.ExitExceptions {
			t.Errorf("%v exits %d, want %d", args, code, cli.ExitExceptions)
		}
		for _, want := range []string{"loyalty_points", "holder", "- {table: loyalty_points, reference: holder, erase: …}"} {
			if !strings.Contains(errs.String(), want) {
				t.Errorf("%v does not say %q:\n%s", args, want, &errs)
			}
		}
	}

	service := s.start(t, onlyAPI, app.Tuning{})
	status, failing := ready(t, service)
	if status != http.StatusServiceUnavailable || len(failing) != 1 ||
		failing[0] != "map: the map does not cover public.loyalty_points.holder" {
		t.Errorf("/readyz answers %d, failing %v", status, failing)
	}
	// The API accepts requests all the same: they wait, and none is lost.
	c := admin(t, service, "1")
	job := mustErase(t, c, apiclient.Erasure{ClientIDs: s.plain(t, 1, 2)})
	s.Exec(t, "DROP TABLE loyalty_points")
	s.start(t, onlyWorker, app.Tuning{})
	if job = until(t, c, job.ID, "the end", ended); job.State != jobs.Completed {
		t.Errorf("%+v", job)
	}
}

func TestAColumnAddedWhileAJobRunsBlocksItUntilTheMapCoversIt(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.batch = 10
	g := newGate(t, "chunk:committed")
	service := s.start(t, both, app.Tuning{Failpoint: g.pass})
	c := admin(t, service, "1")
	asked := s.plain(t, 1, 80)
	job := mustErase(t, c, apiclient.Erasure{ClientIDs: asked})
	g.await(t)
	s.Exec(t, "ALTER TABLE appointments ADD COLUMN remark text")
	s.Exec(t, "UPDATE appointments SET remark = 'called ' || client_name WHERE client_id = ANY($1::text[]::bigint[])", asked)
	g.open()

	job = until(t, c, job.ID, "the job to be blocked", func(j jobs.Job) bool { return j.State == jobs.Blocked })
	if !strings.Contains(job.BlockedReason, "appointments.remark") {
		t.Errorf("blocked because %q", job.BlockedReason)
	}
	// The other batch may have finished the chunk that it had begun, and no further one.
	bookingdb.Wait(t, "every batch to be put down", func() bool {
		return s.Int(t, "SELECT count(*) FROM oubli.tasks WHERE state = 'running'") == 0
	})
	left := s.Existing(t, asked)
	if len(left) < 60 {
		t.Errorf("%d of %d were erased although the map did not cover the schema", len(asked)-len(left), len(asked))
	}
	before := s.snapshot(t, left)
	s.awaitReason(t, service, "the map does not cover public.appointments.remark")
	if now := until(t, c, job.ID, "a look", func(jobs.Job) bool { return true }); now.State != jobs.Blocked || len(s.inbox.Mails()) > 0 {
		t.Errorf("%+v, %d mails", now, len(s.inbox.Mails()))
	}
	if now, _ := s.belongings(t, left); len(now) != len(before.each) {
		t.Errorf("%d clients are left, before %d", len(now), len(before.each))
	}

	s.Exec(t, "ALTER TABLE appointments DROP COLUMN remark")
	job = until(t, c, job.ID, "the job to go on by itself and end", mailed)
	if job.State != jobs.Completed || job.BlockedReason != "" || len(s.Existing(t, asked)) != 0 {
		t.Errorf("%+v", job)
	}
	s.NoTraces(t, asked)
	s.SameTotals(t)
	s.mails(t, 1)
	bookingdb.Wait(t, "/readyz to be content", func() bool {
		status, _ := ready(t, service)
		return status == http.StatusOK
	})
}

// awaitReason waits until one job is reported as blocked, with this reason.
func (s *stack) awaitReason(t *testing.T, service *app.Service, reason string) {
	t.Helper()
	bookingdb.Wait(t, "/readyz to tell that "+reason, func() bool {
		status, failing := ready(t, service)
		return status == http.StatusServiceUnavailable && slices.Equal(failing, []string{"map: " + reason})
	})
	_, metrics := readPage(t, service, "/metrics")
	expectMetrics(t, metrics, `oubli_jobs{state="blocked"} 1`, `oubli_jobs{state="running"} 0`)
}

func TestATableAddedWhileAJobRunsBlocksItUntilTheMapsFileCoversIt(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.batch = 10
	g := newGate(t, "chunk:committed")
	service := s.start(t, both, app.Tuning{Failpoint: g.pass})
	c := admin(t, service, "1")
	asked := s.plain(t, 1, 80)
	job := mustErase(t, c, apiclient.Erasure{ClientIDs: asked})
	g.await(t)
	// The client's own row is deleted with all its columns.
	s.Exec(t, `ALTER TABLE clients ADD COLUMN instagram text;
		UPDATE clients SET instagram = '@' || last_name WHERE NOT is_anonymous;
		CREATE TABLE loyalty_cards (
		  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
		  holder bigint NOT NULL REFERENCES clients,
		  engraving text
		);
		INSERT INTO loyalty_cards (holder, engraving) SELECT id, last_name FROM clients WHERE NOT is_anonymous;
		GRANT SELECT, UPDATE, DELETE ON loyalty_cards TO `+s.WorkerRole)
	g.open()

	const reason = "the map does not cover public.loyalty_cards.holder"
	job = until(t, c, job.ID, "the job to be blocked", func(j jobs.Job) bool { return j.State == jobs.Blocked })
	if job.BlockedReason != reason {
		t.Errorf("blocked because %q", job.BlockedReason)
	}
	s.awaitReason(t, service, reason)
	cards := s.Int(t, "SELECT count(*) FROM loyalty_cards")

	s.extendMap(t, "tables", "  - {table: loyalty_cards, reference: holder, erase: remove}")
	job = until(t, c, job.ID, "the reason to name the mistake", func(j jobs.Job) bool {
		return strings.HasPrefix(j.BlockedReason, reason+"; and its edited file cannot be read: ") &&
			strings.Contains(j.BlockedReason, `unknown "remove"`)
	})
	bookingdb.Wait(t, "the log to say so", func() bool { return strings.Contains(s.log.String(), "the edited map cannot be read") })
	if job.State != jobs.Blocked || s.Int(t, "SELECT count(*) FROM loyalty_cards") != cards {
		t.Errorf("%+v", job)
	}

	s.extendMap(t, "tables", "  - {table: loyalty_cards, reference: holder, erase: delete}")
	job = until(t, c, job.ID, "the job to go on by itself and end", mailed)
	if job.State != jobs.Completed || job.BlockedReason != "" || len(s.Existing(t, asked)) != 0 {
		t.Errorf("%+v", job)
	}
	if n := s.Int(t, "SELECT count(*) FROM loyalty_cards WHERE holder = ANY($1::text[]::bigint[])", asked); n != 0 {
		t.Errorf("%d cards are left", n)
	}
	s.NoTraces(t, asked)
	s.SameTotals(t)
	s.mails(t, 1)
}
