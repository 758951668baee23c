package ops

import (
	"crypto/sha256"
	"crypto/subtle"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/oubli/oubli/internal/limit"
	"github.com/oubli/oubli/internal/loopback"
)

// failureLimiter limits wrong passwords; see Failures of [Options].
func failureLimiter(perMinute int) *limit.Limiter {
	if perMinute < 0 {
		return nil
	}
	if perMinute == 0 {
		perMinute = 60
	}
	return limit.New(float64(perMinute)/60, perMinute)
}

// passwordCheck checks passwords, and limits how many wrong ones an address may
// send.
type passwordCheck struct {
	want     [sha256.Size]byte
	failures *limit.Limiter
	mu       sync.Mutex // one check at a time, so that concurrent guesses cannot exceed the limit
}

// check reports whether a password is correct, or how long the address has to
// wait. An address that has reached the limit gets no answer even to the correct
// password, because otherwise it could go on guessing. Comparing hashes hides the
// length of the password and how much of it is correct.
func (c *passwordCheck) check(address, password string) (correct bool, wait time.Duration) {
	got := sha256.Sum256([]byte(password))
	c.mu.Lock()
	defer c.mu.Unlock()
	if wait := c.failures.Left(address); wait > 0 {
		return false, wait
	}
	if subtle.ConstantTimeCompare(got[:], c.want[:]) == 1 {
		return true, 0
	}
	c.failures.Take(address, 1)
	return false, 0
}

// authenticated requires the password, unless it is empty.
func authenticated(password string, failures *limit.Limiter, next http.Handler) http.Handler {
	if password == "" {
		return next
	}
	check := &passwordCheck{want: sha256.Sum256([]byte(password)), failures: failures}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		correct, wait := false, time.Duration(0)
		if _, given, ok := r.BasicAuth(); ok { // a browser's first request has no password, and does not count
			correct, wait = check.check(limit.Address(r.RemoteAddr), given)
		}
		switch {
		case correct:
			next.ServeHTTP(w, r)
		case wait > 0:
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
			http.Error(w, "too many wrong passwords from this address", http.StatusTooManyRequests)
		default:
			w.Header().Set("WWW-Authenticate", `Basic realm="oubli operations", charset="UTF-8"`)
			http.Error(w, "the operations password is needed", http.StatusUnauthorized)
		}
	})
}

// secured sets security headers and refuses requests that a page of another site
// makes. Without a password it also refuses requests with a host name other than
// localhost: a site could let its own name resolve to 127.0.0.1, and its page would
// then have the same origin as this listener (DNS rebinding).
func secured(withoutPassword bool, next http.Handler) http.Handler {
	sameSite := http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		if withoutPassword && !loopback.Host(hostOf(r)) {
			http.Error(w, "use localhost in the URL, or set OUBLI_OPS_PASSWORD", http.StatusMisdirectedRequest)
			return
		}
		if fromOtherSite(r) {
			http.Error(w, "a page of another site may not request this", http.StatusForbidden)
			return
		}
		sameSite.ServeHTTP(w, r)
	})
}

// fromOtherSite reports whether a browser says that a page of another site made
// the request. The browser would add the password by itself, and a GET is enough to
// start a profile. Following a link from another site is allowed, except to
// /debug/, where opening the page starts work. Old browsers do not send
// Sec-Fetch-Site; for them there is only the check of the origin.
func fromOtherSite(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site":
		link := r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document" && r.Method == http.MethodGet
		return !link || strings.HasPrefix(r.URL.Path, "/debug/")
	}
	return false
}

func hostOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	if len(host) > 1 && host[0] == '[' {
		host = host[1 : len(host)-1]
	}
	return host
}
