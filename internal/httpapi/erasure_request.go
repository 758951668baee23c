package httpapi

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/oubli/oubli/jobs"
)

const (
	maxLocale    = 35 // characters; RFC 5646 section 4.4.1
	maxOverrides = 64
	maxDelay     = 366 * 24 * time.Hour // of not_before: a year, whichever
)

// erasureRequest is the body of POST /v1/erasures.
type erasureRequest struct {
	TenantID      string      `json:"tenant_id,omitempty" maxLength:"64" doc:"The tenant whose clients these are. Required with a token for all tenants; else the token's tenant, and any other is refused"`
	ClientIDs     []string    `json:"client_ids,omitempty" minItems:"1" maxItems:"100000" nullable:"false" doc:"Keys of the clients, as strings or whole numbers. Unknown ones come out as not_found. Either these or selection_id"`
	SelectionID   string      `json:"selection_id,omitempty" format:"uuid" doc:"A selection to erase, instead of client_ids"`
	ExpectedCount *int        `json:"expected_count,omitempty" minimum:"0" doc:"The selection's total as the administrator confirmed it, with the blocked clients of every guard in override; another count is a conflict. Required with selection_id"`
	Reason        jobs.Reason `json:"reason" enum:"inactivity,subject_request" doc:"Why. An erasure for inactivity leaves out everybody who was active lately; one that the data subject asked for does not (GDPR Art. 17(1))"`
	Comment       string      `json:"comment,omitempty" maxLength:"2000" doc:"Kept with the job and shown to its readers. Do not name a client here"`
	Notify        []string    `json:"notify,omitempty" maxItems:"20" nullable:"false" doc:"Who gets the mail at the end: bare addresses. Left out: the token's email; an empty array: nobody"`
	Locale        string      `json:"locale,omitempty" maxLength:"35" doc:"Language of the mail (BCP 47). Left out: the tenant's"`
	NotBefore     time.Time   `json:"not_before,omitzero" doc:"Start no earlier than this (RFC 3339), at most a year ahead. Left out: as soon as possible"`
	Override      []string    `json:"override,omitempty" maxItems:"64" nullable:"false" doc:"Guards that shall not protect these clients; only those that the map calls overridable"`

	DryRun bool `json:"dry_run,omitempty" doc:"Run everything and take it back: the job says what an erasure would do, by outcome and by table. Nobody is notified, and a selection stays unused"`

	notice notice
}

var exampleRequest = map[string]any{
	"client_ids": []any{"0b0e6d3c-52d5-4a9e-8a50-1c4f0f5a7f01", "7d1f3a57-0f3e-4a0b-b9b1-3f5d6d0c2e02"},
	"reason":     "subject_request",
	"comment":    "Ticket 4711",
	"notify":     []any{"owner@studio.example"},
	"locale":     "fr",
}

// TransformSchema lets client ids be numbers, and says that nothing else than
// these fields is taken.
func (erasureRequest) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Properties["client_ids"].Items = keySchema()
	s.Properties["notify"].Items.Format = "email"
	return s
}

// fields says how the body is read.
func (b *erasureRequest) fields() map[string]field {
	fields := map[string]field{
		"tenant_id": {read: func(r *reader) { r.text(&b.TenantID, jobs.MaxKeyLength, false) }},
		"selection_id": {read: func(r *reader) {
			s, ok := r.str(r.next())
			if ok && !uuidText.MatchString(s) {
				r.fault("bad_value", "Want the id of a selection, a UUID.")
			}
			b.SelectionID = strings.ToLower(s)
		}},
		"expected_count": {read: func(r *reader) {
			b.ExpectedCount = new(int)
			r.whole(b.ExpectedCount)
		}},
		"client_ids": {read: func(r *reader) {
			b.ClientIDs = []string{}
			r.array(1, jobs.MaxClients, func(tok json.Token) {
				if key, ok := r.key(tok); ok {
					b.ClientIDs = append(b.ClientIDs, key)
				}
			})
		}},
		"reason": {required: true, read: func(r *reader) {
			s, ok := r.str(r.next())
			switch b.Reason = jobs.Reason(s); {
			case !ok:
			case b.Reason != jobs.Inactivity && b.Reason != jobs.SubjectRequest:
				r.fault("bad_value", "Want inactivity or subject_request.")
			}
		}},
		"comment":    {read: func(r *reader) { r.text(&b.Comment, jobs.MaxComment, true) }},
		"not_before": {read: b.readNotBefore},
		"dry_run":    {read: func(r *reader) { r.boolean(&b.DryRun) }},
		"override": {read: func(r *reader) {
			r.array(0, maxOverrides, func(tok json.Token) {
				s, ok := r.str(tok)
				switch {
				case !ok:
				case s == "" || len(s) > jobs.MaxKeyLength || !clean(s):
					r.fault("bad_value", "This cannot be a guard's name.")
				default:
					b.Override = append(b.Override, s)
				}
			})
		}},
	}
	b.notice.fields(fields, &b.Notify, &b.Locale)
	return fields
}

func (b *erasureRequest) readNotBefore(r *reader) {
	s, ok := r.str(r.next())
	if !ok {
		return
	}
	if err := b.NotBefore.UnmarshalText([]byte(s)); err != nil {
		b.NotBefore = time.Time{}
		r.fault("bad_value", "Want a time as RFC 3339 writes it, such as 2026-10-01T06:00:00Z.")
	}
}

// request is what the caller asks for. A time that has passed asks for no
// delay.
func (b *erasureRequest) request(c jobs.Caller, tenant string, now time.Time) (jobs.ErasureRequest, *Problem) {
	req := jobs.ErasureRequest{
		TenantID:    tenant,
		ClientIDs:   b.ClientIDs,
		SelectionID: b.SelectionID,
		Reason:      b.Reason,
		Comment:     b.Comment,
		Notify:      b.notice.recipients(c, b.DryRun, b.Notify),
		Locale:      b.Locale,
		Override:    b.Override,
		DryRun:      b.DryRun,
		CreatedBy:   c.Subject,
	}
	if b.ExpectedCount != nil {
		req.ExpectedCount = *b.ExpectedCount
	}
	switch {
	case b.NotBefore.After(now.Add(maxDelay)):
		return req, invalid(Fault{Code: "bad_value", Detail: "At most a year ahead.", Pointer: "/not_before"})
	case b.NotBefore.After(now):
		req.NotBefore = b.NotBefore.UTC()
	}
	return req, nil
}

// together finds what is wrong between fields: the request names clients or a
// selection, and not both.
func (b *erasureRequest) together() []Fault {
	if faults := b.notice.together(b.DryRun, b.Notify); faults != nil {
		return faults
	}
	switch {
	case b.ClientIDs == nil && b.SelectionID == "":
		return []Fault{{Code: "required", Detail: "Name the clients here, or a selection in selection_id.", Pointer: "/client_ids"}}
	case b.ClientIDs != nil && b.SelectionID != "":
		return []Fault{{Code: "contradiction", Detail: "Name clients or a selection, not both.", Pointer: "/selection_id"}}
	case b.SelectionID != "" && b.ExpectedCount == nil:
		return []Fault{{Code: "required", Detail: "Say how many clients the selection has, as the administrator confirmed it.", Pointer: "/expected_count"}}
	case b.SelectionID == "" && b.ExpectedCount != nil:
		return []Fault{{Code: "contradiction", Detail: "This goes with selection_id only.", Pointer: "/expected_count"}}
	}
	return nil
}
