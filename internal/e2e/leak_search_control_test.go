package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/http"
	"net/mail"
	"net/smtp"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/local"
)

// leave writes a client's marker to every place that search reads, if possible in
// the same way as in production.
func (h *leakSearch) leave(t *testing.T, client string) {
	t.Helper()
	m := booking.Marker(bookingdb.IDs(t, []string{client})[0])
	h.Exec(t, "UPDATE services SET title = $1 WHERE id = 1", m)
	// A comment is shown by the API and by the command line.
	h.Exec(t, "UPDATE oubli.jobs SET comment = $1", m)
	h.Exec(t, "COMMENT ON TABLE services IS '"+m+"'")
	h.Exec(t, "DO $$ BEGIN RAISE LOG '"+m+"'; END $$")

	idle, err := pgx.Connect(t.Context(), h.server.URL("booking"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = idle.Close(context.Background()) })
	if _, err := idle.Exec(t.Context(), "SELECT '"+m+"'"); err != nil {
		t.Fatal(err)
	}

	if err := h.redisClient(t).Set(t.Context(), "leaked", m, time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	hints := asynq.NewClientFromRedisClient(h.redisClient(t))
	if _, err := hints.EnqueueContext(t.Context(), asynq.NewTask(m, nil), asynq.Queue("bulk"), asynq.ProcessIn(24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	_, _ = h.log.Write([]byte(m))
	t.Cleanup(h.log.Reset)
	message := []byte("Subject: " + m + "\r\n\r\n" + m)
	if err := smtp.SendMail(h.inbox.Addr(), nil, "a@studio.example", []string{"b@studio.example"}, message); err != nil {
		t.Fatal(err)
	}
	h.service.Registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "leaked", ConstLabels: prometheus.Labels{"who": m}}))
	labelled := make(chan struct{})
	go pprof.Do(t.Context(), pprof.Labels("who", m), func(ctx context.Context) { close(labelled); <-ctx.Done() })
	<-labelled

	// Readiness names what the map does not cover.
	h.Exec(t, "ALTER TABLE participations ADD "+m+" text")
	bookingdb.Wait(t, "/readyz to name the column", func() bool {
		resp, err := http.Get("http://" + h.service.OpsAddr + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return strings.Contains(string(body), m)
	})
	bookingdb.Wait(t, "Redis to repeat the command", func() bool { return strings.Contains(h.commands.String(), m) })
	h.visitPages(t)
}

// readable is a mail without its encodings.
func readable(t *testing.T, m local.Mail) string {
	t.Helper()
	msg, err := mail.ReadMessage(bytes.NewReader(m.Data))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for name := range msg.Header {
		value, _ := new(mime.WordDecoder).DecodeHeader(msg.Header.Get(name))
		fmt.Fprintln(&text, name, value)
	}
	media, params, _ := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if !strings.HasPrefix(media, "multipart/") {
		body, _ := io.ReadAll(msg.Body)
		return text.String() + string(body)
	}
	for r := multipart.NewReader(msg.Body, params["boundary"]); ; {
		part, err := r.NextRawPart()
		if err != nil {
			return text.String()
		}
		body, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		text.Write(body)
	}
}
