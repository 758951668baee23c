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
	// smallBody bounds bodies that name few things, in bytes.
	smallBody = 64 << 10
	// ticksBody bounds bodies that tick candidates: 20,000 keys of 64 bytes
	// with quotes and commas.
	ticksBody = 2 << 20
	// clientsBody bounds bodies that name clients: 100,000 keys of 64 bytes
	// with their quotes and commas, and room for the rest.
	clientsBody = 8 << 20
	// bodyTimeout cuts off callers that send slowly, unreadTimeout those who
	// do so although they have been refused.
	bodyTimeout   = 60 * time.Second
	unreadTimeout = 10 * time.Second
)

// takeBody reads the body, of at most limit bytes, into the call.
func (a *api) takeBody(limit int64) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		c := callOf(ctx.Context())
		meter := &metered{body: r.Body, limiter: a.limiters.bytes, who: keyspace(c.caller)}
		data, p := fetchBody(r, w, meter, limit, a.patience)
		if p != nil {
			p.write(ctx.Context(), w)
			return
		}
		c.body = data
		next(ctx)
	}
}

func fetchBody(r *http.Request, w http.ResponseWriter, body *metered, limit int64, patience time.Duration) ([]byte, *Problem) {
	if !plainJSON(r.Header) {
		return nil, newProblem("unsupported_media_type", "Send the body as application/json, in UTF-8 and not compressed.")
	}
	tooLarge := newProblem("body_too_large", "The body is larger than "+strconv.FormatInt(limit, 10)+" bytes.")
	if r.ContentLength > limit {
		return nil, tooLarge
	}
	// Not every writer has deadlines; a real connection does.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(patience))
	var buf bytes.Buffer
	// An announced length is a promise: memory follows what has come.
	buf.Grow(int(min(max(r.ContentLength, 0), meterStep)) + bytes.MinRead)
	_, err := buf.ReadFrom(http.MaxBytesReader(w, io.NopCloser(body), limit))
	if err == nil {
		// A deadline that stays would end the request of a caller who waits.
		_ = control.SetReadDeadline(time.Time{})
		return buf.Bytes(), nil
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge
	}
	if errors.Is(err, errMetered) {
		return nil, tooMany("This caller sends more bytes a second than the service is configured to take.", body.wait).with("Connection", "close")
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return nil, newProblem("body_timeout", "The body did not arrive within "+patience.String()+".").with("Connection", "close")
	}
	return nil, newProblem("body_unreadable", "The connection broke off in the body.")
}

func plainJSON(h http.Header) bool {
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
		return "", newProblem("idempotency_key_missing", "Send an Idempotency-Key header: a random value per job, the same for each repeat.")
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

// requestHash tells requests apart that come with one Idempotency-Key. White
// space between the body's tokens does not count; the order of its fields and
// the spelling of its values do. Every part is preceded by its length, so that
// no two requests run together to the same bytes.
func requestHash(method, path, tenant string, body []byte) [sha256.Size]byte {
	var compact bytes.Buffer
	if err := json.Compact(&compact, body); err != nil {
		compact.Reset()
		compact.Write(body)
	}
	h := sha256.New()
	for _, part := range [][]byte{[]byte(method), []byte(path), []byte(tenant), compact.Bytes()} {
		_ = binary.Write(h, binary.BigEndian, uint64(len(part))) // a hash takes everything
		_, _ = io.Copy(h, bytes.NewReader(part))
	}
	return [sha256.Size]byte(h.Sum(nil))
}
