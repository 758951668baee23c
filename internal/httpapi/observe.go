package httpapi

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"path"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/oubli/oubli/jobs"
)

// requestTimeout bounds a request, from its headers to the end of the work,
// including the time in which its body arrives.
const requestTimeout = defaultBodyTimeout + 30*time.Second

type requestIDKey struct{}

type connectionKey struct{}

// connection returns the context that ends with the request's connection, and not
// after requestTimeout.
func connection(ctx context.Context) context.Context {
	if c, ok := ctx.Value(connectionKey{}).(context.Context); ok {
		return c
	}
	return ctx
}

// requestID returns the id of the request, as in the log.
func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// observe gives every request an id, sets the headers of every answer, writes the
// access log and turns panics into problems. An id that the caller sends is not
// used: it could contain personal data, and would be logged.
func observe(o *Options, next http.Handler) http.Handler {
	log := &o.Log
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		id := rand.Text()
		ctx := context.WithValue(context.WithValue(r.Context(), requestIDKey{}, id), connectionKey{}, r.Context())
		ctx, cancel := context.WithTimeout(ctx, requestTimeout)
		defer cancel()
		ctx, span := startSpan(ctx, o.Tracer, r)
		r = r.WithContext(ctx)

		rec := &recorder{ResponseWriter: w}
		setSecurityHeaders(rec.Header())
		rec.Header().Set("X-Request-Id", id)
		defer func() {
			v := recover()
			begun := rec.sent // a part of the answer may be with the caller
			status := rec.status
			if v != nil {
				status = http.StatusInternalServerError // also if the answer began with another one
				log.Error().Str("request_id", id).Str("panic", describePanic(v)).Bytes("stack", debug.Stack()).Msg("request panicked")
				if !begun {
					rec.status = 0
					kindProblem(jobs.Internal, "", "").write(ctx, rec)
				}
			}
			rec.send()
			took := time.Since(start)
			// The mux has set r.Pattern. The path is neither logged nor counted:
			// it may contain anything.
			o.Observe(methodLabel(r.Method), pathOfPattern(r.Pattern), status, took)
			endSpan(span, methodLabel(r.Method), r.Pattern, id, status)
			log.Info().Str("request_id", id).Str("method", methodLabel(r.Method)).Str("route", r.Pattern).
				Int("status", status).Int64("bytes", rec.bytes).
				Float64("duration_ms", float64(took.Microseconds())/1000).Msg("request")
			if v != nil && begun {
				panic(http.ErrAbortHandler) // closes the connection, so that the caller sees that the answer is incomplete
			}
		}()
		next.ServeHTTP(rec, r)
	})
}

// describePanic describes the value of a panic without quoting data: errors of
// the Go runtime contain none, and of any other value only the type is shown.
func describePanic(v any) string {
	if e, ok := v.(runtime.Error); ok {
		return e.Error()
	}
	return fmt.Sprintf("%T", v)
}

// pathOfPattern returns a pattern without its method.
func pathOfPattern(pattern string) string { return pattern[strings.Index(pattern, " ")+1:] }

// methodLabel returns the method for logs and metrics. A method that is not
// standard becomes "other", because the caller can choose its name.
func methodLabel(method string) string {
	if slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, method) {
		return method
	}
	return "other"
}

// setSecurityHeaders sets headers so that a browser treats an answer as data, and
// never as a page, a script or part of another site.
func setSecurityHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
}

// recorder records the status and the size of an answer. It sends the status with the
// first byte of the body, so that a panic before that can still become a problem.
type recorder struct {
	http.ResponseWriter
	status int
	sent   bool
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	switch {
	case status < http.StatusOK: // more will follow
		r.ResponseWriter.WriteHeader(status)
	case r.status == 0:
		r.status = status
	}
}

// send sends the status, if there is one and it was not sent yet.
func (r *recorder) send() {
	if !r.sent && r.status != 0 {
		r.sent = true
		r.ResponseWriter.WriteHeader(r.status)
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	r.send()
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// FlushError sends what was written so far.
func (r *recorder) FlushError() error {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	r.send()
	return http.NewResponseController(r.ResponseWriter).Flush()
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// routed answers 404 and 405 with problems; the mux alone would answer with plain
// text.
func routed(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The mux would redirect to the cleaned path and quote it in a page.
		// A client's key in the path may have any characters, escaped.
		if escaped := r.URL.EscapedPath(); escaped != path.Clean(escaped) {
			newProblem("route_not_found", "The API has no such route.").write(r.Context(), w)
			return
		}
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		muxAnswer := &statusWriter{header: http.Header{}}
		h.ServeHTTP(muxAnswer, r)
		p := newProblem("route_not_found", "The API has no such route.")
		if muxAnswer.status == http.StatusMethodNotAllowed {
			p = newProblem("method_not_allowed", "The route does not support this method; Allow lists those that it supports.").
				with("Allow", muxAnswer.header.Get("Allow"))
		}
		p.write(r.Context(), w)
	})
}

// statusWriter records the status and headers of an answer and discards its body.
type statusWriter struct {
	header http.Header
	status int
}

func (d *statusWriter) Header() http.Header         { return d.header }
func (d *statusWriter) Write(b []byte) (int, error) { return len(b), nil }
func (d *statusWriter) WriteHeader(status int)      { d.status = status }
