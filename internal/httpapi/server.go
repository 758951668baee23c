package httpapi

import (
	"net/http"
	"time"
)

// impatient gives a body that no handler reads its time. net/http waits for the
// rest of it before it sends the answer, and without a deadline it would wait
// for ever, for anybody who announces a body and has no token.
func impatient(patience time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			// Not every writer has deadlines; a real connection does.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(patience))
		}
		next.ServeHTTP(w, r)
	})
}

// NewServer serves a handler of [New] on addr. Callers that send their headers
// or read their answers slowly are cut off; bodies have a deadline of their
// own.
func NewServer(handler http.Handler, addr string) *http.Server {
	return &http.Server{
		Addr:              addr,
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      requestTimeout + 30*time.Second, // counts from the end of the headers
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
	}
}
