package e2e

import (
	"context"
	"encoding/hex"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/jobs"
)

// receiver is an OpenTelemetry collector.
type receiver struct {
	*httptest.Server
	mu  sync.Mutex
	raw strings.Builder
	all []*spans.Span
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var export collector.ExportTraceServiceRequest
		body, err := io.ReadAll(req.Body)
		if err == nil {
			err = proto.Unmarshal(body, &export)
		}
		if err != nil || req.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", req.URL.Path, err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.raw.Write(body)
		for _, resource := range export.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				r.all = append(r.all, scope.Spans...)
			}
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func TestATraceGoesFromTheRequestToTheMailAndNamesNobody(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.batch = 10
	r := newReceiver(t)
	api := s.startWith(t, onlyAPI, "OTEL_EXPORTER_OTLP_ENDPOINT="+r.URL)
	worker := s.startWith(t, onlyWorker, "OTEL_EXPORTER_OTLP_ENDPOINT="+r.URL)
	c := admin(t, api, "1")
	asked := s.plain(t, 1, 25)
	job := until(t, c, mustErase(t, c, apiclient.Erasure{ClientIDs: asked, Comment: "Moreau-Vezkimudapo wrote"}).ID, "the mail", mailed)
	for _, service := range []*app.Service{worker, api} { // which sends what is left
		if err := service.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()

	names := map[string]string{}
	for _, span := range r.all {
		names[hex.EncodeToString(span.SpanId)] = span.Name
	}
	var root *spans.Span
	for _, span := range r.all {
		if span.Name == "POST /v1/erasures" {
			root = span
		}
	}
	if root == nil || len(root.ParentSpanId) != 0 {
		t.Fatalf("no span of the request among %v", slices.Collect(maps.Values(names)))
	}
	tree := map[string]int{}
	for _, span := range r.all {
		if string(span.TraceId) == string(root.TraceId) && span != root {
			tree[names[hex.EncodeToString(span.ParentSpanId)]+" > "+span.Name]++
		}
		for _, a := range span.Attributes {
			value := a.Value.GetStringValue()
			if slices.Contains(asked, value) || !regexp.MustCompile(`^(oubli|http)\.[a-z._]+$`).MatchString(a.Key) {
				t.Errorf("span %s has %s = %s", span.Name, a.Key, a.Value)
			}
		}
		if span.Status.GetMessage() != "" {
			t.Errorf("span %s went wrong: %s", span.Name, span.Status.Message)
		}
	}
	// The number of chunks depends on the chunk size; a lane continues without a hint.
	if tree["batch > chunk"] < 3 || tree["accept job > dispatch"] < 2 {
		t.Errorf("too few chunks or dispatches: %v", tree)
	}
	delete(tree, "batch > chunk")
	delete(tree, "accept job > dispatch")
	want := map[string]int{"POST /v1/erasures > accept job": 1, "accept job > batch": 3, "accept job > mail": 1}
	if !maps.Equal(tree, want) {
		t.Errorf("the trace of job %s is %v, want %v", job.ID, tree, want)
	}
	if found := marker.FindString(r.raw.String()); found != "" {
		t.Errorf("a span contains data of a client: %q", found)
	}
}

func TestWithoutACollectorNothingIsTraced(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	service := s.start(t, both, app.Tuning{})
	body := strings.NewReader(`{"client_ids": ["` + s.plain(t, 1, 1)[0] + `"], "reason": "subject_request"}`)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+service.APIAddr+"/v1/erasures", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+mustMint(t, "1", jobs.Admin))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", "k")
	req.Header.Set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	bookingdb.Wait(t, "the job's end", func() bool {
		return s.Int(t, "SELECT count(*) FROM oubli.jobs WHERE state = 'completed'") == 1
	})
	if n := s.Int(t, "SELECT count(*) FROM oubli.jobs WHERE traceparent <> ''"); n != 0 {
		t.Errorf("%d jobs know of a trace", n)
	}
}
