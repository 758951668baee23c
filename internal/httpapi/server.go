package httpapi

import (
	"net/http"
	"time"
)

// limitUnreadBody sets a deadline for bodies that no handler reads. net/http
// waits for the rest of such a body before it sends the answer; without a deadline
// anybody could make it wait for ever by announcing a body, even without a token.
func limitUnreadBody(timeout time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(timeout)) // fails only for a test's writer, which has no deadlines
		}
		next.ServeHTTP(w, r)
	})
}

// NewServer serves a handler of [New] on addr. It closes connections of callers
// who send their headers or read their answers too slowly. Bodies have deadlines
// of their own.
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
