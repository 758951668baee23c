package terminal

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/oubli/oubli/internal/golden"
	"github.com/oubli/oubli/jobs"
)

const jobID = "0198c0de-7c1e-7a52-9d0e-3f6b8f2c4a11"

func TestOutcomesReadAsInTheGoldenFile(t *testing.T) {
	t.Parallel()
	created := time.Date(2026, 5, 3, 9, 59, 58, 0, time.UTC)
	started, finished := created.Add(2*time.Second), created.Add(14300*time.Millisecond)
	later := created.Add(24 * time.Hour)
	until := jobs.Date{Time: time.Date(2035, 12, 31, 0, 0, 0, 0, time.UTC)}
	full := jobs.Job{
		ID: jobID, TenantID: "7", State: jobs.CompletedWithExceptions, Reason: jobs.Inactivity, Requested: 20_000,
		Counts:        jobs.Counts{Erased: 19_811, ErasedRetained: 120, Skipped: 60, Failed: 1, NotFound: 8},
		Exceptions:    map[string]int{"future_appointment": 40, "unpaid_balance": 20, "23503:invoices_client_id_fkey": 1, "not_found": 8},
		Rows:          map[string]int64{"clients": 19_931, "appointments": 1_234_567, "invoices": 0},
		RetainedUntil: &until, CreatedAt: created, StartedAt: &started, FinishedAt: &finished,
		Mail: jobs.MailStatus{State: jobs.MailSent, Attempts: 2}, Comment: "RGPD, spring\ncleaning", CreatedBy: "ops",
	}
	cases := []struct {
		name string
		job  jobs.Job
	}{
		{"with exceptions", full},
		{"scheduled", jobs.Job{ID: jobID, TenantID: "7", State: jobs.Scheduled, Reason: jobs.SubjectRequest,
			Requested: 1, Counts: jobs.Counts{Pending: 1}, CreatedAt: created, NotBefore: &later,
			Mail: jobs.MailStatus{State: jobs.MailWaiting}}},
		{"blocked", jobs.Job{ID: jobID, TenantID: "7", State: jobs.Blocked, Reason: jobs.SubjectRequest,
			BlockedReason: "clients.shoe_size is not in the map", Requested: 1500,
			Counts: jobs.Counts{Pending: 500, Erased: 1000}, CreatedAt: created, StartedAt: &started,
			Mail: jobs.MailStatus{State: jobs.MailWaiting}}},
		{"nobody", jobs.Job{ID: jobID, TenantID: "7", State: jobs.Completed, Reason: jobs.Inactivity,
			CreatedAt: created, StartedAt: &started, FinishedAt: &started, Mail: jobs.MailStatus{State: jobs.MailNone}}},
		{"stale views", jobs.Job{ID: jobID, TenantID: "7", State: jobs.Completed, Reason: jobs.Inactivity,
			CreatedAt: created, StartedAt: &started, FinishedAt: &started, Mail: jobs.MailStatus{State: jobs.MailNone},
			Residue: &jobs.Residue{Name: jobs.ResidueMixed, Reached: finished,
				StaleViews: map[string]string{"regulars": "", "revenue": "22012"}}}},
	}
	const name = "testdata/outcomes.txtar"
	var got txtar.Archive
	for _, c := range cases {
		var b strings.Builder
		WriteOutcome(&b, c.job)
		got.Files = append(got.Files, txtar.File{Name: c.name, Data: []byte(b.String())})
	}
	golden.File(t, name, string(txtar.Format(&got)))
}

func TestNumbersAndSpansReadWell(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0:         "0",
		7:         "7",
		999:       "999",
		1000:      "1,000",
		20_000:    "20,000",
		1_234_567: "1,234,567",
		-1000:     "-1,000",
		-100:      "-100",
	} {
		if got := Thousands(n); got != want {
			t.Errorf("thousands(%d): got %s, want %s", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		1234 * time.Microsecond:  "1ms",
		2345 * time.Millisecond:  "2.3s",
		12345 * time.Millisecond: "12s",
		3723 * time.Second:       "1h2m3s",
	} {
		if got := Span(d); got != want {
			t.Errorf("span(%s): got %s, want %s", d, got, want)
		}
	}
}
