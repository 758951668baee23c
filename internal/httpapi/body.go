package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/oubli/oubli/jobs"
)

const (
	// Limits of bodies, in bytes.
	//
	// smallBody is for bodies without lists of clients.
	smallBody = 64 << 10
	// ticksBody is for bodies that include or exclude candidates: 20,000 keys
	// of 255 bytes with quotes and commas.
	ticksBody = 6 << 20
	// clientsBody is for bodies that list clients: 100,000 keys of 255
	// bytes with quotes and commas, and room for the other fields.
	clientsBody = 28 << 20

	// defaultBodyTimeout is the time for a body to arrive,
	// defaultUnreadTimeout for one that is not read because its request was
	// refused.
	defaultBodyTimeout   = 60 * time.Second
	defaultUnreadTimeout = 10 * time.Second
)

// takeBody reads the body, of at most limit bytes, into the call.
func (a *api) takeBody(limit int64) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		c := callOf(ctx.Context())
		body := &limitedBody{body: r.Body, limiter: a.limiters.bytes, caller: keyspace(c.caller)}
		data, p := fetchBody(r, w, body, limit, a.bodyTimeout)
		if p != nil {
			p.write(ctx.Context(), w)
			return
		}
		c.body = data
		next(ctx)
	}
}

func fetchBody(r *http.Request, w http.ResponseWriter, body *limitedBody, limit int64, timeout time.Duration) ([]byte, *Problem) {
	if !isJSON(r.Header) {
		return nil, newProblem("unsupported_media_type", "Send the body as application/json, in UTF-8 and not compressed.")
	}
	tooLarge := newProblem("body_too_large", "The body is larger than "+strconv.FormatInt(limit, 10)+" bytes.")
	if r.ContentLength > limit {
		return nil, tooLarge
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(timeout)) // fails only for a test's writer, which has no deadlines
	var buf bytes.Buffer
	// Do not allocate for a length that was only announced: the buffer grows
	// with the bytes that arrive.
	buf.Grow(int(min(max(r.ContentLength, 0), readStep)) + bytes.MinRead)
	_, err := buf.ReadFrom(http.MaxBytesReader(w, io.NopCloser(body), limit))
	if err == nil {
		// Reset the deadline, which would otherwise cancel the request while it
		// is being worked on.
		_ = control.SetReadDeadline(time.Time{})
		return buf.Bytes(), nil
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge
	}
	if errors.Is(err, errByteLimit) {
		return nil, tooMany("This caller sends more bytes a second than the service is configured to take.",
			body.wait).with("Connection", "close")
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return nil, newProblem("body_timeout", "The body did not arrive within "+timeout.String()+".").with("Connection", "close")
	}
	return nil, newProblem("body_unreadable", "The connection ended before the whole body had arrived.")
}

func isJSON(h http.Header) bool {
	if e := h.Get("Content-Encoding"); e != "" && e != "identity" {
		return false
	}
	ct := h.Get("Content-Type")
	if ct == "" {
		return true
	}
	media, _, err := mime.ParseMediaType(ct)
	return err == nil && media == "application/json"
}

// takeKey reads the Idempotency-Key into the call, before the body is read.
func takeKey(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	key, p := idempotencyKey(r.Header.Values("Idempotency-Key"))
	if p != nil {
		p.write(ctx.Context(), w)
		return
	}
	callOf(ctx.Context()).key = key
	next(ctx)
}

func idempotencyKey(values []string) (string, *Problem) {
	if len(values) == 0 || values[0] == "" {
		return "", newProblem("idempotency_key_missing",
			"Send an Idempotency-Key header: a new random value for each job, and the same value when you repeat its request.")
	}
	bad := len(values) > 1 || len(values[0]) > jobs.MaxIdempotencyK
	for _, c := range []byte(values[0]) {
		bad = bad || c <= ' ' || c > '~'
	}
	if bad {
		return "", newProblem("idempotency_key_invalid", "An Idempotency-Key is 1 to 255 visible ASCII characters, sent once.")
	}
	return values[0], nil
}

// requestHash returns a hash that differs for different requests with the same
// Idempotency-Key. White space between the tokens of the body does not matter;
// the order of fields and the spelling of values do. Each part is preceded by its
// length, so that two requests cannot concatenate to the same bytes.
func requestHash(method, path, tenant string, body []byte) [sha256.Size]byte {
	var compact bytes.Buffer
	if err := json.Compact(&compact, body); err != nil {
		compact.Reset()
		compact.Write(body)
	}
	h := sha256.New()
	for _, part := range [][]byte{[]byte(method), []byte(path), []byte(tenant), compact.Bytes()} {
		_ = binary.Write(h, binary.BigEndian, uint64(len(part))) // writing to a hash never fails
		_, _ = io.Copy(h, bytes.NewReader(part))
	}
	return [sha256.Size]byte(h.Sum(nil))
}
