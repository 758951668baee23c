package figures

import (
	"bytes"
	"os"
	"runtime/debug"
	"strconv"
)

// Resident reads a process's memory in MiB: now and at its peak since it began,
// or since ForgetPeak. Both are 0 where the system has no /proc.
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

// ForgetPeak starts a new peak of this process, see proc(5) on clear_refs.
// Where that is not allowed, the peak is the process's from its start and so
// says too much.
func ForgetPeak() {
	debug.FreeOSMemory()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
}
