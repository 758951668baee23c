package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/jobs"
)

// refuseToDeleteSQL makes the database refuse to delete a client, with a message
// that contains personal data.
const refuseToDeleteSQL = `
	CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF OLD.id = %s THEN
			RAISE EXCEPTION 'client % <%> stays', OLD.last_name, OLD.email USING %s DETAIL = OLD::text;
		END IF;
		RETURN OLD;
	END $$;
	CREATE OR REPLACE TRIGGER refuse BEFORE DELETE ON clients FOR EACH ROW EXECUTE FUNCTION refuse();`

func (s *stack) refuseToDelete(t *testing.T, client, using string) {
	t.Helper()
	s.extendMap(t, "triggers", `  - {name: refuse, table: clients, because: "a test"}`)
	s.Exec(t, strings.NewReplacer("OLD.id = %s", "OLD.id = "+client, "USING %s", "USING "+using).Replace(refuseToDeleteSQL))
}

func TestAClientWhomTheDatabaseRefusesStopsNoOther(t *testing.T) {
	t.Parallel()
	for name, using := range map[string][2]string{
		// The function may name any text as the constraint, so the code leaves it out.
		"a function that claims a constraint": {"ERRCODE = '23514', CONSTRAINT = 'clients_keep_vip',", "23514"},
		"a trigger":                           {"", "P0001"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			asked := s.plain(t, 1, 90)
			culprit := asked[33]
			s.refuseToDelete(t, culprit, using[0])
			c := admin(t, s.start(t, both, app.Tuning{}), "1")
			before := s.snapshot(t, asked)
			job := until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: asked, Locale: "en"}).ID, "the end", mailed)
			gone := before.holds(t, job)
			if len(gone) != len(asked)-1 || job.Counts.Failed != 1 || job.State != jobs.CompletedWithExceptions {
				t.Errorf("%d of %d are gone: %+v", len(gone), len(asked), job)
			}
			codes := codesOf(t, c, job.ID, jobs.FailedOutcome)
			if len(codes) != 1 || codes[culprit] != using[1] || job.Exceptions[using[1]] != 1 {
				t.Errorf("failed are %v, %v; want %s with %s", codes, job.Exceptions, culprit, using[1])
			}
			mail := parts(t, s.mails(t, 1)[0])
			if !strings.HasSuffix(mail["subject"], "with exceptions") || !strings.Contains(mail["text/plain"], using[1][:5]) {
				t.Errorf("the mail: %s\n%s", mail["subject"], mail["text/plain"])
			}
			r := s.redisClient(t)
			for _, key := range r.Keys(t.Context(), "*").Val() {
				if found := marker.FindString(fmt.Sprint(key, r.HGetAll(t.Context(), key).Val())); found != "" {
					t.Errorf("Redis contains data of a client: %q in %s", found, key)
				}
			}
		})
	}
}

func TestAnErasureOfOnlyARefusedClientFails(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	culprit := s.plain(t, 1, 1)
	s.refuseToDelete(t, culprit[0], "ERRCODE = '23514',")
	c := admin(t, s.start(t, both, app.Tuning{}), "1")
	before := s.snapshot(t, culprit)
	job := until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: culprit, Locale: "en"}).ID, "the end", mailed)
	before.holds(t, job)
	if job.State != jobs.Failed || job.Counts.Failed != 1 {
		t.Errorf("%+v", job)
	}
	if subject := parts(t, s.mails(t, 1)[0])["subject"]; subject != "Client deletion failed" {
		t.Errorf("subject %q", subject)
	}
}
