package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/oubli/oubli/jobs"
)

// EventFeed has the changes of jobs.
type EventFeed interface {
	// Admit reserves a place for a reader; it fails if there are too many.
	Admit(tenant string) (release func(), err error)
	// Follow sends events after a number, or with a negative one those from now on,
	// until ctx ends. It sends none from time to time as a sign of life.
	Follow(ctx context.Context, tenant string, after int64, send func(events []jobs.JobEvent, expired bool) error) error
}

const (
	// streamLife is how long a stream is open. A browser opens it again by itself,
	// and the token is checked again.
	streamLife = 10 * time.Minute
	// writeAtMost is how long a reader may take for one piece.
	writeAtMost = 30 * time.Second
)

// events registers the route of /v1/events.
func (a *api) events() {
	register(a, operation{
		method: http.MethodGet, path: "/v1/events", id: "stream-events",
		summary: "Follow the states of jobs",
		description: "Server-sent events, one for each change of a job's state: `erasure.scheduled`, `erasure.running`, " +
			"`merge.completed` and so on. " +
			"The data is `{\"type\", \"timestamp\", \"data\": {\"id\", \"tenant_id\", \"state\", \"dry_run\", \"counts\"}}`; it names " +
			"no client. " +
			"Events of one job come in order. The stream begins with what happens from now on or, with `Last-Event-ID`, after that " +
			"event. " +
			"Events are kept for seven days; an event of the type `expired` says that some were missed. " +
			"A comment comes every 15 seconds. The stream ends after ten minutes: open it again with the last id.",
		who: readers, status: http.StatusOK,
		codes: []string{"tenant_mismatch", "too_many_waiting"},
	}, a.streamEvents)
	media := a.huma.OpenAPI().Paths["/v1/events"].Get.Responses["200"]
	media.Description = "A stream of server-sent events."
	media.Content = map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString},
		Example: "id: 42\nevent: erasure.completed\ndata: {\"type\": \"erasure.completed\", …}\n\n"}}
}

type eventsInput struct {
	TenantID    string `query:"tenant_id" maxLength:"64" doc:"Only jobs of this tenant. Useful with a token for all tenants (*)"`
	LastEventID string `header:"Last-Event-ID" pattern:"^[0-9]{1,18}$" doc:"The id of the last event that was received"`
}

func (a *api) streamEvents(ctx context.Context, in *eventsInput) (*huma.StreamResponse, error) {
	tenant, err := queryTenant(ctx, in.TenantID)
	if err != nil {
		return nil, err
	}
	after := int64(-1)
	if in.LastEventID != "" {
		if after, err = strconv.ParseInt(in.LastEventID, 10, 64); err != nil {
			return nil, invalid(Fault{Code: "bad_value", Detail: "Want the id of an event.", Parameter: "Last-Event-ID"})
		}
	}
	release, err := a.Feed.Admit(tenant)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(h huma.Context) {
		defer release()
		_, w := humago.Unwrap(h)
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("X-Accel-Buffering", "no") // nginx would hold the events back
		s := stream{w, http.NewResponseController(w)}
		ctx, cancel := context.WithTimeout(connection(h.Context()), streamLife)
		defer cancel()
		if err := a.Feed.Follow(ctx, tenant, after, s.send); err != nil && ctx.Err() == nil {
			a.Log.Debug().Err(err).Str("request_id", requestID(h.Context())).Msg("stream of events ended")
		}
	}}, nil
}

// stream writes events to one reader.
type stream struct {
	w       io.Writer
	control *http.ResponseController
}

func (s stream) send(events []jobs.JobEvent, expired bool) error {
	var b bytes.Buffer
	if expired {
		b.WriteString("event: expired\ndata: {\"type\": \"expired\"}\n\n")
	}
	for _, e := range events {
		data, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("write event: %w", err)
		}
		fmt.Fprintf(&b, "id: %d\nevent: %s\ndata: %s\n\n", e.Number, e.Type, data)
	}
	if b.Len() == 0 {
		b.WriteString(": open\n\n")
	}
	_ = s.control.SetWriteDeadline(time.Now().Add(writeAtMost)) // fails only for a test's writer, which has no deadlines
	if _, err := s.w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	return s.control.Flush()
}
