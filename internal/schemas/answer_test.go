package schemas_test

import (
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/schemas"
)

const unanswered = `client:
  key: TODO  # which?

tables:
  - table: visits
    reference: client_id
    erase: TODO
    columns:
      note: TODO  # null or keep

  - {table: notes, reference: client_id, erase: delete}  # with body
ignore:
  - {table: staff, because: TODO}
`

func TestAnswersReplaceAndRemove(t *testing.T) {
	t.Parallel()
	got, err := schemas.Answer(unanswered, `
		# a comment
		client.key = id
		tables.visits.client_id.erase = delete
		tables.visits.client_id.columns -
		tables.notes.client_id.erase = keep
		ignore.staff.because = "employees"`)
	want := `client:
  key: id  # which?

tables:
  - table: visits
    reference: client_id
    erase: delete

  - {table: notes, reference: client_id, erase: keep}  # with body
ignore:
  - {table: staff, because: "employees"}
`
	if err != nil || got != want {
		t.Errorf("got %v and\n%s\nwant\n%s", err, got, want)
	}
}

func TestAnAnswerToNoQuestionIsAnError(t *testing.T) {
	t.Parallel()
	for _, answers := range []string{"client.colour = red", "what?"} {
		if _, err := schemas.Answer(unanswered, answers); err == nil || !strings.HasPrefix(err.Error(), "answer 1: ") {
			t.Errorf("%q: got %v", answers, err)
		}
	}
}
