package cli

import (
	"testing"
	"time"
)

func TestAWindowIsOpenBetweenItsTimesAndAcrossMidnight(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zones here")
	}
	for _, test := range []struct{ window, now, until string }{
		{"01:00-05:00", "2026-05-03 00:59", ""},
		{"01:00-05:00", "2026-05-03 01:00", "2026-05-03 05:00"},
		{"01:00-05:00", "2026-05-03 04:59", "2026-05-03 05:00"},
		{"01:00-05:00", "2026-05-03 05:00", ""},
		{"22:30-04:00", "2026-05-03 22:29", ""},
		{"22:30-04:00", "2026-05-03 23:00", "2026-05-04 04:00"},
		{"22:30-04:00", "2026-05-03 03:59", "2026-05-03 04:00"},
		{"22:30-04:00", "2026-12-31 23:59", "2027-01-01 04:00"},
		{"01:00-05:00", "2026-10-25 01:30", "2026-10-25 05:00"}, // an hour longer
	} {
		w, err := parseWindow(test.window)
		if err != nil {
			t.Fatal(err)
		}
		now, _ := time.ParseInLocation("2006-01-02 15:04", test.now, berlin)
		until, open := w.open(now)
		got := ""
		if open {
			got = until.Format("2006-01-02 15:04")
		}
		if got != test.until {
			t.Errorf("%s at %s is open until %q, want %q", test.window, test.now, got, test.until)
		}
	}
	if w, err := parseWindow("always"); err != nil {
		t.Error(err)
	} else if until, open := w.open(time.Now()); !open || !until.IsZero() {
		t.Errorf("always is open until %s: %v", until, open)
	}
	for _, bad := range []string{"", "01:00", "1-5", "01:00-25:00", "01:00-01:00", "01:00-05:00-06:00", "now"} {
		if _, err := parseWindow(bad); err == nil {
			t.Errorf("%q is taken for a window", bad)
		}
	}
}
