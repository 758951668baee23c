package jobs

import (
	"reflect"
	"testing"
	"time"
)

func TestAMergeIsTheSameJobInBothForms(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	want := Job{
		ID: "a", TenantID: "b", State: Running, BlockedReason: "c", WaitingFor: "w", DryRun: true, Requested: 21,
		Counts:     Counts{Pending: 1, Erased: 2, ErasedRetained: 3, Skipped: 4, Failed: 5, NotFound: 6},
		Exceptions: map[string]int{"d": 7}, Rows: map[string]int64{"e": 8}, RetainedUntil: &Date{at},
		CreatedAt: at, NotBefore: &at, StartedAt: &at, FinishedAt: &at,
		Mail: MailStatus{State: MailSent, Attempts: 9}, Comment: "f", CreatedBy: "g",
		Residue:  &Residue{Level: ResidueWAL, Name: "wal", Reached: at},
		LateRows: &LateReport{Looking: true, Refused: map[string]int{"i": 11}},
		Merge:    &MergeTerms{Anonymous: true, DeleteSource: true, FillBlanks: true, Conflicts: KeepTarget, Found: map[string]int64{"h": 10}},
	}
	// Only erasures have a reason; every other field must be set above.
	for v, i := reflect.ValueOf(want), 0; i < v.NumField(); i++ {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() != (name == "Reason") {
			t.Errorf("field %s is not compared", name)
		}
	}
	if got := want.AsMerge().Job(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
