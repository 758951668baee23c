package e2e

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/cli"
	"github.com/oubli/oubli/internal/httpapi"
	"github.com/oubli/oubli/jobs"
)

// typed runs a command against a service, with keys as what a person types at the
// terminal.
func typed(t *testing.T, s *app.Service, keys string, args ...string) (code int, out, err string) {
	t.Helper()
	token, e := httpapi.Mint([]byte(authSecret), jobs.Caller{Subject: "me", Email: "me@studio.example", Tenant: "1", Role: jobs.Admin}, 3600e9)
	if e != nil {
		t.Fatal(e)
	}
	var stdout, stderr strings.Builder
	environ := []string{"OUBLI_URL=http://" + s.APIAddr, "OUBLI_TOKEN=" + token}
	code = cli.RunInteractive(context.Background(), args, environ, strings.NewReader(keys), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestInactiveClientsAreSelectedShownTriedAndErasedFromTheCommandLine(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	service := s.start(t, both, app.Tuning{})

	code, out, said := typed(t, service, "", "erase", "--inactive", "P1Y", "--show", "3", "--dry-run")
	number := regexp.MustCompile(`Inactive since .*: ([0-9]+) clients to erase`).FindStringSubmatch(said)
	if code != cli.ExitDone && code != cli.ExitExceptions || number == nil ||
		!strings.HasPrefix(out, "Dry run") || strings.Count(said, "last active") != 3 {
		t.Fatalf("dry run: exit %d\n%s\n%s", code, said, out)
	}
	candidates := s.Strings(t, `SELECT c.id::text FROM clients c WHERE studio_id = 1 AND created_at < now() - interval '1 year'
		AND NOT EXISTS (SELECT FROM appointments a WHERE a.client_id = c.id AND starts_at >= now() - interval '1 year')
		AND NOT legal_hold AND balance_cents = 0
		AND NOT EXISTS (SELECT FROM invoices i WHERE i.client_id = c.id AND status = 'open') ORDER BY id`)
	if fmt.Sprint(len(candidates)) != number[1] {
		t.Errorf("%s clients to erase, want %d", number[1], len(candidates))
	}
	if n := len(s.Existing(t, candidates)); n != len(candidates) {
		t.Fatalf("a dry run left %d of %d clients", n, len(candidates))
	}

	code, _, said = typed(t, service, "1\n", "erase", "--inactive", "P1Y")
	if code != cli.ExitExceptions || !strings.Contains(said, "nothing was erased") || len(s.Existing(t, candidates)) != len(candidates) {
		t.Errorf("the wrong number typed: exit %d\n%s", code, said)
	}
	code, _, said = typed(t, service, "", "erase", "--inactive", "P1D", "--yes")
	if code != cli.ExitExceptions || !strings.Contains(said, "period_too_short") {
		t.Errorf("a period below the floor: exit %d\n%s", code, said)
	}

	code, out, said = typed(t, service, fmt.Sprintln(len(candidates)-1), "erase", "--inactive", "P1Y", "--exclude", candidates[0])
	if code != cli.ExitDone || !strings.Contains(out, ": completed\n") {
		t.Errorf("erasing them: exit %d\n%s\n%s", code, said, out)
	}
	if left := s.Existing(t, candidates); len(left) != 1 || left[0] != candidates[0] {
		t.Errorf("left are %v, want only the one who was excluded, %s", left, candidates[0])
	}
	code, out, said = typed(t, service, "", "erase", "--inactive", "P1Y", "--exclude", candidates[0])
	if code != cli.ExitDone || !strings.Contains(strings.ToLower(out+said), "nobody to erase") {
		t.Errorf("with nobody left: exit %d\n%s\n%s", code, said, out)
	}
	if code, out, _ = typed(t, service, "", "status"); code != cli.ExitDone || strings.Count(out, "completed") != 2 {
		t.Errorf("status: exit %d\n%s", code, out)
	}
}
