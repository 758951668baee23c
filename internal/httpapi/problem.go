package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/rs/zerolog"

	"github.com/oubli/oubli/jobs"
)

// Problem is the answer to a request that did not succeed (RFC 9457).
type Problem struct {
	Type      string  `json:"type" doc:"Names the kind of problem: urn:oubli:problem: followed by the code"`
	Title     string  `json:"title" doc:"The status in words"`
	Status    int     `json:"status" doc:"The HTTP status"`
	Code      string  `json:"code" doc:"Stable, for programs to decide by"`
	Detail    string  `json:"detail" doc:"For people: what to change. The wording may change"`
	RequestID string  `json:"request_id,omitempty" doc:"The X-Request-Id of this answer; quote it when you ask for help"`
	Errors    []Fault `json:"errors,omitempty" nullable:"false" doc:"Every mistake found, up to 20, when the request breaks rules"`

	header http.Header
}

// Fault is one mistake in a request. It names the place of the mistake and never
// quotes what was there.
type Fault struct {
	Code      string `json:"code" doc:"Stable: required, unknown_field, duplicate_field, wrong_type, bad_value, too_few, too_many, contradiction, unknown_parameter, duplicate_parameter"`
	Detail    string `json:"detail"`
	Pointer   string `json:"pointer,omitempty" doc:"JSON Pointer (RFC 6901) into the request's body; absent for the body as a whole"`
	Parameter string `json:"parameter,omitempty" doc:"Header, path or query parameter"`
}

// Error returns the problem's detail.
func (p *Problem) Error() string { return p.Detail }

// GetStatus returns the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders returns the headers of this problem.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType returns the media type of problem documents.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// newProblem returns a problem with a code of the table.
func newProblem(code, detail string) *Problem { return kindProblem(codes[code].kind, code, detail) }

// kindProblem returns a problem with a code that another package has chosen. The
// code may be missing in the table.
func kindProblem(kind jobs.ErrorKind, code, detail string) *Problem {
	if code == "" {
		code = kinds[kind].code
	}
	if detail == "" {
		detail = kinds[kind].detail
	}
	status := statusOf(kind, code)
	p := &Problem{Type: "urn:oubli:problem:" + code, Title: title(status), Status: status, Code: code, Detail: detail}
	if wait := codes[code].retry; wait != "" {
		p.with("Retry-After", wait)
	}
	return p
}

// invalid returns the problem of a request that breaks rules.
func invalid(faults ...Fault) *Problem {
	p := newProblem("validation_failed", "The request breaks "+plural(len(faults), "rule")+"; see errors.")
	p.Errors = faults
	return p
}

func plural(n int, what string) string {
	if n == 1 {
		return "a " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// with adds a header to the answer.
func (p *Problem) with(key, value string) *Problem {
	if p.header == nil {
		p.header = http.Header{}
	}
	p.header.Set(key, value)
	return p
}

// write answers with the problem.
func (p *Problem) write(ctx context.Context, w http.ResponseWriter) {
	for key, values := range p.header {
		w.Header()[key] = values
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	answer := *p
	answer.RequestID = requestID(ctx)
	_ = json.NewEncoder(w).Encode(&answer) // an error here means that the caller has gone
}

// problemOf returns the problem that answers an error. It logs the cause if the
// problem does not contain it.
func problemOf(ctx context.Context, log *zerolog.Logger, err error) *Problem {
	p := translate(ctx, err)
	if p.Status >= http.StatusInternalServerError {
		log.Error().Err(err).Str("request_id", requestID(ctx)).Str("code", p.Code).Msg("request failed")
	}
	p.RequestID = requestID(ctx)
	return p
}

func translate(ctx context.Context, err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		answer := *p
		return &answer
	}
	e, ok := errors.AsType[*jobs.Error](err)
	if ok && e.Kind != jobs.Internal && e.Kind != jobs.Unavailable {
		return kindProblem(e.Kind, e.Code, e.Msg)
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return newProblem("request_cancelled", "The caller ended the request.")
	case ctx.Err() != nil:
		return newProblem("timeout", "The request took too long; try again later.")
	case ok && e.Kind == jobs.Unavailable && codes[e.Code].kind == jobs.Unavailable:
		return newProblem(e.Code, codes[e.Code].meaning) // the error's own text is for the log
	case ok && e.Kind == jobs.Unavailable:
		return kindProblem(jobs.Unavailable, "", "")
	default:
		return kindProblem(jobs.Internal, "", "")
	}
}

// ownProblems replaces the errors that huma makes by itself, because they quote
// the caller's values. Only the names of our own parameters are kept.
func ownProblems(ctx huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := kindProblem(jobs.Internal, "", "")
	switch {
	case m.Status == http.StatusUnprocessableEntity:
		p = invalid(parameterFaults(ctx.Operation(), m.Errors)...)
	case m.Status < http.StatusInternalServerError:
		p = kindProblem(jobs.Malformed, "", "")
		p.Status, p.Title = m.Status, title(m.Status)
	}
	p.RequestID = requestID(ctx.Context())
	return p, nil
}

func parameterFaults(op *huma.Operation, details []*huma.ErrorDetail) []Fault {
	faults := make([]Fault, 0, len(details))
	for _, d := range details {
		f := Fault{Code: "unknown_parameter", Detail: "The request has a parameter that this route does not know."}
		for _, p := range op.Parameters {
			if d.Location == p.In+"."+p.Name {
				// huma's messages on our parameters are made of our schema alone.
				f = Fault{Code: "bad_value", Detail: d.Message, Parameter: p.Name}
			}
		}
		faults = append(faults, f)
		if len(faults) == maxFaults {
			break
		}
	}
	return faults
}
