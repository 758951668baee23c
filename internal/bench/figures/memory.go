package figures

import (
	"bytes"
	"os"
	"runtime/debug"
	"strconv"
)

// Resident reads a process's memory in MiB: now, and at its peak since the start or
// since ForgetPeak. Both are 0 where the system has no /proc.
func Resident(pid int) (now, peak float64) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, 0
	}
	field := func(name string) float64 {
		_, rest, _ := bytes.Cut(status, []byte("\n"+name+":"))
		words := bytes.Fields(rest)
		if len(words) == 0 {
			return 0
		}
		kib, err := strconv.ParseFloat(string(words[0]), 64)
		if err != nil {
			return 0
		}
		return kib / 1024
	}
	return field("VmRSS"), field("VmHWM")
}

// ForgetPeak resets the peak of this process; see proc(5) on clear_refs. Where that
// is not allowed, the peak is the one since the process started, and so too large.
func ForgetPeak() {
	debug.FreeOSMemory()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
}
