package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
)

// digestAll returns a digest of every table, including the control schema's.
func (s *stack) digestAll(t *testing.T) map[string]string {
	t.Helper()
	digests := map[string]string{}
	for _, table := range s.Strings(t, `SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables
		WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1`) {
		rows := s.Strings(t, "SELECT count(*) || ' rows, ' || coalesce(sum(hashtextextended(t::text, 0)), 0) FROM "+table+" AS t")
		digests[table] = strings.Join(rows, "")
	}
	return digests
}

// fixture is a stack with only an API, so that no work is done, and with one job
// or selection of each kind of tenant 1.
type fixture struct {
	*stack
	service               *app.Service
	job, merge, selection string
	token                 string // of tenant 1's administrator
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	s := &fixture{stack: newStack(t), token: mustMint(t, "1", jobs.Admin)}
	s.service = s.start(t, onlyAPI, app.Tuning{})
	later := time.Now().Add(24 * time.Hour)
	s.job = mustErase(t, admin(t, s.service, "1"), apiclient.Erasure{ClientIDs: s.plain(t, 1, 3), NotBefore: &later}).ID
	var sel jobs.Selection
	if status, code := ask(t, s.service, http.MethodPost, "/v1/selections", s.token, `{"period": "P1Y"}`, &sel); status != http.StatusCreated {
		t.Fatalf("the selection is answered %d %s", status, code)
	}
	s.selection = sel.ID
	pair := s.plain(t, 1, 5)[3:]
	merge := send(t, s.service, http.MethodPost, "/v1/merges", s.token, "standing",
		fmt.Sprintf(`{"source_client_ids": [%s], "target": {"client_id": %s}, "delete_source": true}`, pair[0], pair[1]))
	if s.merge = merge.job.ID; merge.status != http.StatusAccepted {
		t.Fatalf("the merge is answered %+v", merge)
	}
	bookingdb.Wait(t, "the merge's hint to be sent, to nobody", func() bool {
		return s.Int(t, "SELECT count(*) FROM oubli.tasks WHERE kind = 'merge' AND dispatched_at IS NOT NULL") == 1
	})
	return s
}

// sendRaw sends bytes as they are and reads one answer.
func sendRaw(t *testing.T, addr string, raw []byte) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = conn.Write(raw) }() // the server may answer, and stop reading, before it has all
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("no answer to %.200q: %v", raw, err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body) // what a reset cuts off is not needed
	return resp, string(body)
}

// hostile is a malicious request. Empty headers, path or body stand for correct
// ones.
type hostile struct {
	name, method, path string
	headers            []string // "Name: value", instead of the right ones of that name
	body               string
	want               int
	code               string // of the problem, if it matters
}

func (h hostile) raw(token string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", h.method, h.path)
	right := []string{
		"Host: oubli",
		"Authorization: Bearer " + token,
		"Idempotency-Key: hostile",
		"Content-Type: application/json",
		fmt.Sprintf("Content-Length: %d", len(h.body)),
	}
	for _, line := range right {
		name, _, _ := strings.Cut(line, ":")
		if !slices.ContainsFunc(h.headers, func(l string) bool { return strings.HasPrefix(l, name+":") || strings.HasPrefix(l, "-"+name) }) {
			b.WriteString(line + "\r\n")
		}
	}
	for _, line := range h.headers {
		if !strings.HasPrefix(line, "-") {
			b.WriteString(line + "\r\n")
		}
	}
	b.WriteString("\r\n" + h.body)
	return b.Bytes()
}
