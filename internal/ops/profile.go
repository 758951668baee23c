package ops

import (
	"fmt"
	"net/http"
	"net/http/pprof"
	"strconv"
	"time"
)

// longestProfile is how long one request may profile or trace the process: both
// slow it down, and net/http/pprof takes any number of seconds.
const longestProfile = time.Minute

// profiles serves /debug/pprof/.
func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The handlers above read the number in the same way, from the same request.
		if text := r.FormValue("seconds"); text != "" {
			n, err := strconv.ParseFloat(text, 64)
			if allowed := n > 0 && n <= longestProfile.Seconds(); err != nil || !allowed { // NaN is not allowed either
				http.Error(w, fmt.Sprintf("seconds: want a number above 0 and at most %.0f", longestProfile.Seconds()), http.StatusBadRequest)
				return
			}
		}
		mux.ServeHTTP(w, r)
	})
}
