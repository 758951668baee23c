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

// requestTimeout bounds the work on one request once its body has arrived and
// while it does.
const requestTimeout = bodyTimeout + 30*time.Second

type requestIDKey struct{}

// requestID is the id under which the log knows the request.
func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// observe gives every request an id and every answer its headers, writes the
// access log and turns panics into problems. The id is always our own: what a
// caller sends could be anything, and the log would keep it.
func observe(o *Options, next http.Handler) http.Handler {
	log := &o.Log
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		id := rand.Text()
		ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), requestIDKey{}, id), requestTimeout)
		defer cancel()
		ctx, span := begin(ctx, o.Tracer, r)
		r = r.WithContext(ctx)

		rec := &recorder{ResponseWriter: w}
		secure(rec.Header())
		rec.Header().Set("X-Request-Id", id)
		defer func() {
			v := recover()
			cut := rec.status != 0
			if v != nil {
				log.Error().Str("request_id", id).Str("panic", describe(v)).Bytes("stack", debug.Stack()).Msg("request panicked")
				if !cut {
					kindProblem(jobs.Internal, "", "").write(ctx, rec)
				}
			}
			took := time.Since(start)
			// The mux leaves the pattern in the request; the path itself may
			// hold anything.
			o.Observe(known(r.Method), pathOfPattern(r.Pattern), rec.status, took)
			answered(span, known(r.Method), r.Pattern, id, rec.status)
			log.Info().Str("request_id", id).Str("method", known(r.Method)).Str("route", r.Pattern).
				Int("status", rec.status).Int64("bytes", rec.bytes).
				Float64("duration_ms", float64(took.Microseconds())/1000).Msg("request")
			if v != nil && cut {
				panic(http.ErrAbortHandler) // half an answer must not look whole
			}
		}()
		next.ServeHTTP(rec, r)
	})
}

// describe says what panicked without quoting data: the runtime's own errors
// carry none, anything else shows its type only.
func describe(v any) string {
	if e, ok := v.(runtime.Error); ok {
		return e.Error()
	}
	return fmt.Sprintf("%T", v)
}

// pathOfPattern is a pattern without its method.
func pathOfPattern(pattern string) string { return pattern[strings.Index(pattern, " ")+1:] }

func known(method string) string {
	if slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, method) {
		return method
	}
	return "other"
}

// secure sets what keeps a browser from making anything of an answer but data.
func secure(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// routed answers with problems where the mux would answer with plain text.
func routed(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The mux would redirect to the cleaned path and repeat it in a page.
		if r.URL.Path != path.Clean(r.URL.Path) {
			newProblem("route_not_found", "The API has no such route.").write(r.Context(), w)
			return
		}
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		dry := &dryWriter{header: http.Header{}}
		h.ServeHTTP(dry, r)
		p := newProblem("route_not_found", "The API has no such route.")
		if dry.status == http.StatusMethodNotAllowed {
			p = newProblem("method_not_allowed", "The route has no such method; Allow lists those that it has.").
				with("Allow", dry.header.Get("Allow"))
		}
		p.write(r.Context(), w)
	})
}

// dryWriter hears what a handler would answer.
type dryWriter struct {
	header http.Header
	status int
}

func (d *dryWriter) Header() http.Header         { return d.header }
func (d *dryWriter) Write(b []byte) (int, error) { return len(b), nil }
func (d *dryWriter) WriteHeader(status int)      { d.status = status }
