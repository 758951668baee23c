package replay

import (
	"slices"
	"testing"

	"github.com/oubli/oubli/internal/ledger"
	"github.com/oubli/oubli/jobs"
)

// object makes an object of the ledger, as if it had been read.
func object(seq int64, records ...jobs.LedgerRecord) ledger.Object {
	var o ledger.Object
	o.Sequence, o.Records = seq, records
	return o
}

func intent(task string, keys ...string) jobs.LedgerRecord {
	r := jobs.LedgerRecord{Record: jobs.IntentRecord, Kind: jobs.LedgerErasure, TaskID: task, Tenant: "1", Keys: keys}
	for _, key := range keys {
		r.Prints = append(r.Prints, ledger.Fingerprint(nil, "1", key, "then"))
	}
	return r
}

func outcome(task string, exceptions ...jobs.LedgerException) jobs.LedgerRecord {
	return jobs.LedgerRecord{Record: jobs.OutcomeRecord, Kind: jobs.LedgerErasure, TaskID: task, Tenant: "1", Exceptions: exceptions}
}

func TestOnlyThoseWhomAnOutcomeNamesAsErasedAreSure(t *testing.T) {
	t.Parallel()
	cancelled := outcome("b")
	cancelled.Left = []string{"12"}
	absent := intent("c", "20", "21")
	absent.Prints[1] = "" // no such client when it began
	all := gather(ledger.Unknown{
		Earlier: []ledger.Object{object(3, intent("a", "1", "2", "3"), intent("open in the database", "99"))},
		Objects: []ledger.Object{
			object(4, outcome("a", jobs.LedgerException{ClientID: "1", Outcome: jobs.Skipped},
				jobs.LedgerException{ClientID: "2", Outcome: jobs.ErasedRetained})),
			object(5, intent("b", "11", "12"), jobs.LedgerRecord{Record: jobs.IntentRecord, Kind: jobs.LedgerSweep}),
			object(6, cancelled, absent),
		},
	})
	var tasks []string
	for _, b := range all {
		tasks = append(tasks, b.intent.TaskID)
	}
	if !slices.Equal(tasks, []string{"a", "b", "c"}) {
		t.Errorf("batches %v", tasks)
	}
	found := people(all)
	for key, sure := range map[string]bool{"2": true, "3": true, "11": true, "20": false} {
		k := found[person{"1", key}]
		if k == nil || k.sure != sure || !k.is(nil, person{"1", key}, "then") || k.is(nil, person{"1", key}, "later") {
			t.Errorf("client %s: %+v", key, k)
		}
	}
	if len(found) != 4 {
		t.Errorf("the ledger names %v, want four clients", found)
	}
}

func TestEachClientIsInOneLineOfTheReport(t *testing.T) {
	t.Parallel()
	r := &replay{people: people(gather(ledger.Unknown{Objects: []ledger.Object{
		object(1, intent("sure", "1"), outcome("sure"), intent("doubt", "2"))}}))}
	for _, c := range []struct {
		key     string
		live    bool
		created string
		tried   bool
		code    string
		want    jobs.ReplayState
	}{
		{"1", false, "", false, "", jobs.ReplayAbsent},
		{"1", false, "", true, "", jobs.ReplayErased},
		{"1", true, "later", false, "", jobs.ReplayKeyReused},
		{"1", true, "then", true, "23503", jobs.ReplayRefused},
		{"1", true, "then", false, "", jobs.ReplayRefused},
		{"1", true, "then", true, jobs.CodeKeyReused, jobs.ReplayKeyReused},
		{"2", true, "then", true, "legal_hold", jobs.ReplayInDoubt},
		{"2", false, "", true, "", jobs.ReplayErased},
	} {
		if got := r.state(person{"1", c.key}, c.live, c.created, c.tried, c.code); got != c.want {
			t.Errorf("%+v: got %s", c, got)
		}
	}
	r.DryRun = true
	if got := r.state(person{"1", "1"}, true, "then", false, ""); got != jobs.ReplayBack {
		t.Errorf("in a dry run: got %s", got)
	}
}
