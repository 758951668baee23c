package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/cli"
	"github.com/oubli/oubli/jobs"
)

// duplicates returns clients of studio 1 who share no class and have rows of every
// kind.
func (s *stack) duplicates(t *testing.T, n int) []string {
	t.Helper()
	ids := s.plain(t, 1, n)
	s.Exec(t, `UPDATE invoice_lines SET participation_id = NULL
		WHERE participation_id IN (SELECT id FROM participations WHERE client_id = ANY($1::text[]::bigint[]))`, ids)
	s.Exec(t, "DELETE FROM participations WHERE client_id = ANY($1::text[]::bigint[])", ids)
	s.countAgain(t)
	return ids
}

func TestAMergeGoesFromTheRequestToTheMail(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	api := s.start(t, onlyAPI, app.Tuning{})
	s.start(t, onlyWorker, app.Tuning{})
	c := admin(t, api, "1")
	ids := s.duplicates(t, 4)
	moved := s.Int(t, "SELECT count(*) FROM appointments WHERE client_id = ANY($1::text[]::bigint[])", ids)

	job, err := c.CreateMerge(t.Context(), apiclient.Merge{
		SourceIDs:    ids[1:],
		Target:       apiclient.MergeTarget{ClientID: ids[0]},
		DeleteSource: true,
		FillBlanks:   true,
		Conflicts:    jobs.FailOnConflict,
		Comment:      "RGPD",
		Locale:       "fr",
		Notify:       []string{"owner@studio.example"},
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	bookingdb.Wait(t, "the mail", func() bool {
		job, err = c.GetMerge(t.Context(), job.ID)
		return err == nil && job.Mail.State == jobs.MailSent
	})
	if job.State != jobs.Completed || job.Counts.Erased != 3 || job.Comment != "RGPD" ||
		job.Merge == nil || !job.Merge.DeleteSource || job.Merge.Anonymous {
		t.Errorf("the job: %+v, %+v", job, job.Merge)
	}
	if left := s.Existing(t, ids); len(left) != 1 || left[0] != ids[0] {
		t.Errorf("left are %v", left)
	}
	if n := s.Int(t, "SELECT count(*) FROM appointments WHERE client_id = $1::text::bigint", ids[0]); n != moved {
		t.Errorf("the target has %d appointments, want %d", n, moved)
	}
	s.SameTotals(t)
	mail := parts(t, s.mails(t, 1)[0])
	text := mail["text/plain"]
	if !strings.Contains(mail["subject"], "Fusion") ||
		!strings.Contains(text, "/merges/"+job.ID) && strings.Contains(text, "/erasures/") {
		t.Errorf("the mail: %s\n%s", mail["subject"], mail["text/plain"])
	}
	list, err := c.Merges(t.Context(), jobs.Completed, jobs.Page{Limit: 5})
	if err != nil || len(list.Items) != 1 || list.Items[0].ID != job.ID {
		t.Errorf("the list: %+v, %v", list, err)
	}
	if _, err := c.Get(t.Context(), job.ID); jobs.KindOf(err) != jobs.Missing {
		t.Errorf("a merge is read as an erasure: %v", err)
	}
	if _, err := admin(t, api, "2").GetMerge(t.Context(), job.ID); jobs.KindOf(err) != jobs.Missing {
		t.Errorf("another tenant reads the merge: %v", err)
	}
}

func TestFiftyImpatientClicksMergeOnce(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	service := s.start(t, both, app.Tuning{})
	ids := s.duplicates(t, 2)
	token := mustMint(t, "1", jobs.Admin)
	body := fmt.Sprintf(`{"source_client_ids":[%s],"target":{"client_id":%s},"delete_source":true}`, ids[1], ids[0])
	seen := make(chan answer, 50)
	for range cap(seen) {
		go func() { seen <- send(t, service, http.MethodPost, "/v1/merges", token, "click", body) }()
	}
	for range cap(seen) {
		if a := <-seen; a.status != http.StatusAccepted && a.status != http.StatusConflict {
			t.Errorf("answered %d", a.status)
		}
	}
	if n := s.Int(t, "SELECT count(*) FROM oubli.jobs"); n != 1 {
		t.Errorf("%d jobs", n)
	}
	bookingdb.Wait(t, "the end", func() bool { return s.Int(t, "SELECT count(*) FROM oubli.jobs WHERE state = 'completed'") == 1 })
}

func TestClientsAreMergedFromTheCommandLine(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	service := s.start(t, both, app.Tuning{})
	ids := s.duplicates(t, 5)
	session := s.Strings(t, "SELECT min(id)::text FROM class_sessions WHERE studio_id = 1")[0]
	s.Exec(t, `INSERT INTO participations (session_id, client_id, status, price_cents, paid_cents)
		SELECT $1::text::bigint, unnest($2::text[]::bigint[]), 'attended', 1500, 0`, session, ids[:2])

	code, out, said := typed(t, service, "", "merge", "--client", ids[1], "--into", ids[0], "--dry-run")
	conflicting := regexp.MustCompile(`Conflicting rows\n    participations +1\n`)
	if code != cli.ExitExceptions || !conflicting.MatchString(out) ||
		!strings.HasPrefix(out, "Dry run, everything taken back: merge ") {
		t.Errorf("dry run: exit %d\n%s\n%s", code, said, out)
	}
	code, _, said = typed(t, service, "1\n", "merge", "--client", ids[1], "--into", ids[0])
	if code != cli.ExitExceptions || !strings.Contains(said, "nobody would be merged; nothing was changed") {
		t.Errorf("a conflict: exit %d\n%s", code, said)
	}
	code, _, said = typed(t, service, "7\n", "merge", "--client", ids[1], "--into", ids[0], "--conflicts", "keep_target")
	if code != cli.ExitExceptions || !strings.Contains(said, "nothing was merged") || len(s.Existing(t, ids)) != 5 {
		t.Errorf("the wrong number typed: exit %d\n%s", code, said)
	}
	code, out, said = typed(t, service, "1\n", "merge", "--client", ids[1], "--into", ids[0], "--conflicts", "keep_target")
	if code != cli.ExitDone || !strings.Contains(out, "into another client, sources deleted") || len(s.Existing(t, ids)) != 4 {
		t.Errorf("merged: exit %d\n%s\n%s", code, said, out)
	}
	code, out, said = typed(t, service, "", "merge", "--client", ids[2], ids[3], "--anonymous", "--yes", "--comment", "RGPD")
	if code != cli.ExitDone || len(s.Existing(t, ids)) != 2 ||
		!strings.Contains(out, "into the anonymous profile") || !strings.Contains(out, "comment: RGPD") {
		t.Errorf("into nobody: exit %d\n%s\n%s", code, said, out)
	}
	code, _, said = typed(t, service, "", "merge", "--client", ids[2], "--into", ids[0], "--yes")
	if code != cli.ExitExceptions || !strings.Contains(said, "unknown_source") {
		t.Errorf("somebody who is gone: exit %d\n%s", code, said)
	}
	code, _, said = typed(t, service, "", "merge", "--client", ids[0], "--yes")
	if code != cli.ExitUsage || !strings.Contains(said, "either --into ID or --anonymous") {
		t.Errorf("without a target: exit %d\n%s", code, said)
	}
	id := regexp.MustCompile(`Merge ([0-9a-f-]{36})`).FindStringSubmatch(out)[1]
	code, out, said = typed(t, service, "", "status", id, "--clients")
	if code != cli.ExitDone || !strings.Contains(out, "Merge "+id+": completed") {
		t.Errorf("status: exit %d\n%s\n%s", code, said, out)
	}
	code, out, _ = typed(t, service, "", "status", "--merges")
	if code != cli.ExitDone || strings.Count(out, "completed") != 4 || strings.Count(out, "failed") != 2 ||
		strings.Count(out, "dry run") != 4 {
		t.Errorf("status --merges: exit %d\n%s", code, out)
	}
}

func TestACancelStopsAMergeBetweenItsSources(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	g := newGate(t, "chunk:erased") // in the middle of a transaction
	service := s.start(t, both, app.Tuning{Failpoint: g.pass})
	c := admin(t, service, "1")
	ids := s.duplicates(t, 6)
	job, err := c.CreateMerge(t.Context(), apiclient.Merge{
		SourceIDs:    ids[1:],
		Target:       apiclient.MergeTarget{ClientID: ids[0]},
		DeleteSource: true,
		Conflicts:    jobs.FailOnConflict,
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	g.await(t)
	answered := make(chan answer, 1)
	token := mustMint(t, "1", jobs.Admin)
	go func() { answered <- send(t, service, http.MethodPost, "/v1/merges/"+job.ID+"/cancel", token, "", "") }()
	bookingdb.Wait(t, "the cancel to wait for the source under way", func() bool {
		return s.Int(t, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%cancelled%'`) == 1
	})
	g.open()
	if a := <-answered; a.status != http.StatusOK {
		t.Fatalf("the cancel is answered %d", a.status)
	}
	job, err = c.GetMerge(t.Context(), job.ID)
	merged := job.Counts.Erased // one at least; row locks are not granted in the order of waiting
	if err != nil || job.State != jobs.Cancelled || merged == 0 || merged+job.Counts.Pending != 5 || len(s.Existing(t, ids)) != 6-merged {
		t.Errorf("the job: %+v, %v", job, err)
	}
}
