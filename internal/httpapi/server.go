package httpapi

import (
	"net/http"
	"time"
)

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
