package cli

import (
	"fmt"
	"strings"
	"time"
)

// window is when tables may be locked: between two times of the day, in the
// time zone of this process, or always.
type window struct {
	always   bool
	from, to time.Duration // since midnight
}

// parseWindow reads 01:00-05:00, 22:30-04:00 or always.
func parseWindow(text string) (window, error) {
	if text == "always" {
		return window{always: true}, nil
	}
	from, to, ok := strings.Cut(text, "-")
	a, errA := clock(from)
	b, errB := clock(to)
	if !ok || errA != nil || errB != nil || a == b {
		return window{}, fmt.Errorf("want a window such as 01:00-05:00, or always, got %q", text)
	}
	return window{from: a, to: b}, nil
}

func clock(text string) (time.Duration, error) {
	t, err := time.Parse("15:04", strings.TrimSpace(text))
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, err
}

// open reports whether the window is open and when it closes; the zero time is
// never. Days with a change of the clock are as long as they are: the end is
// a time of the day, not a number of hours.
func (w window) open(now time.Time) (until time.Time, open bool) {
	if w.always {
		return time.Time{}, true
	}
	for _, day := range []int{-1, 0} { // a window that crosses midnight may have begun yesterday
		from := onDay(now, day, w.from)
		to := onDay(now, day, w.to)
		if w.to < w.from {
			to = onDay(now, day+1, w.to)
		}
		if !now.Before(from) && now.Before(to) {
			return to, true
		}
	}
	return time.Time{}, false
}

func onDay(now time.Time, day int, clock time.Duration) time.Time {
	y, m, d := now.Date()
	return time.Date(y, m, d+day, int(clock/time.Hour), int(clock%time.Hour/time.Minute), 0, 0, now.Location())
}
