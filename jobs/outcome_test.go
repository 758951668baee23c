package jobs_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/oubli/oubli/jobs"
)

func TestCountsAddUpUnderEveryOutcome(t *testing.T) {
	t.Parallel()
	c := jobs.Counts{Pending: 100}
	for i, o := range jobs.Outcomes() {
		c.Add(o, i+1)
		c.Add(o, 10)
	}
	want := jobs.Counts{Pending: 100, Erased: 11, ErasedRetained: 12, Skipped: 13, Failed: 14, NotFound: 15}
	if c != want {
		t.Errorf("got %+v, want %+v", c, want)
	}
	sum := 0
	for _, o := range jobs.Outcomes() {
		sum += c.Of(o)
	}
	if c.Done() != sum || c.Total() != sum+100 || c.Exceptions() != 13+14+15 {
		t.Errorf("done %d, total %d, exceptions %d of %+v", c.Done(), c.Total(), c.Exceptions(), c)
	}
}

func TestAWordThatIsNoOutcomeCountsNothing(t *testing.T) {
	t.Parallel()
	var c jobs.Counts
	c.Add("erazed", 5)
	if (c != jobs.Counts{}) || c.Of("erazed") != 0 {
		t.Errorf("got %+v", c)
	}
}

func TestADateIsADayInJSONAndInText(t *testing.T) {
	t.Parallel()
	e := jobs.Exception{ClientID: "7", RetainedUntil: &jobs.Date{Time: time.Date(2031, 12, 31, 0, 0, 0, 0, time.UTC)}}
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"client_id":"7","outcome":"","code":"","retained_until":"2031-12-31"}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
	var back jobs.Exception
	if err := json.Unmarshal(b, &back); err != nil || !back.RetainedUntil.Equal(e.RetainedUntil.Time) {
		t.Errorf("read back: %v, %v", back.RetainedUntil, err)
	}
	text, err := e.RetainedUntil.MarshalText()
	if err != nil || string(text) != "2031-12-31" || e.RetainedUntil.String() != "2031-12-31" {
		t.Errorf("text: %s, %v", text, err)
	}
	var d jobs.Date
	if err := d.UnmarshalText(text); err != nil || !d.Equal(e.RetainedUntil.Time) {
		t.Errorf("read back from text: %v, %v", d, err)
	}
}

func TestNoDateIsNull(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(jobs.Exception{})
	if err != nil || string(b) != `{"client_id":"","outcome":"","code":"","retained_until":null}` {
		t.Errorf("got %s, %v", b, err)
	}
	var back jobs.Exception
	if err := json.Unmarshal(b, &back); err != nil || back.RetainedUntil != nil {
		t.Errorf("read back: %v, %v", back.RetainedUntil, err)
	}
}

func TestWhatIsNotADayIsRefused(t *testing.T) {
	t.Parallel()
	for _, s := range []string{`"2031-13-01"`, `"2031-12-31T00:00:00Z"`, `20311231`, `""`, `"31.12.2031"`} {
		var d jobs.Date
		if err := json.Unmarshal([]byte(s), &d); err == nil {
			t.Errorf("%s was read as %s", s, d)
		}
	}
}
