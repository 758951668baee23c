package ops

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
)

// authenticated asks for the password, unless there is none. Hashes are
// compared, so that neither the time nor the length tells anything.
func authenticated(password string, next http.Handler) http.Handler {
	if password == "" {
		return next
	}
	want := sha256.Sum256([]byte(password))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, given, ok := r.BasicAuth()
		got := sha256.Sum256([]byte(given))
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 || !ok {
			w.Header().Set("WWW-Authenticate", `Basic realm="oubli operations", charset="UTF-8"`)
			http.Error(w, "the operations password is needed", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// secured sets headers for every answer and refuses what no operator sends:
// changes that come from another site and, where no password protects the
// listener, requests under a foreign host name. A page elsewhere could point
// its own name at 127.0.0.1 and would then be of the same origin.
func secured(open bool, next http.Handler) http.Handler {
	sameSite := http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		if open && !isLoopbackHost(hostOf(r)) {
			http.Error(w, "ask for localhost, or set a password", http.StatusMisdirectedRequest)
			return
		}
		sameSite.ServeHTTP(w, r)
	})
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
