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
	maxName      = 64                   // bytes of the name of a guard or activity
	maxDelay     = 366 * 24 * time.Hour // of not_before: one year, a leap year included
)

// erasureRequest is the body of POST /v1/erasures.
type erasureRequest struct {
	TenantID      string      `json:"tenant_id,omitempty" maxLength:"64" doc:"The tenant of the clients. Required with a token for all tenants (*). With any other token it may be left out, and must be the token's tenant"`
	ClientIDs     []string    `json:"client_ids,omitempty" minItems:"1" maxItems:"100000" nullable:"false" doc:"Keys of the clients to erase, as strings or whole numbers. A key that does not exist gets the outcome not_found. Send either this or selection_id"`
	SelectionID   string      `json:"selection_id,omitempty" format:"uuid" doc:"The selection to erase, instead of client_ids"`
	ExpectedCount *int        `json:"expected_count,omitempty" minimum:"0" doc:"How many clients the administrator confirmed: the selection's total, plus the clients blocked by the guards in override. If the count has changed, the answer is 409 count_changed. Required with selection_id"`
	Reason        jobs.Reason `json:"reason" enum:"inactivity,subject_request" doc:"Why the clients are erased. With inactivity, a client who has been active since is skipped; with subject_request, when the data subject asked for it, activity does not matter (GDPR Art. 17(1))"`
	Comment       string      `json:"comment,omitempty" maxLength:"2000" doc:"Stored with the job and shown to everybody who may read it. Do not name a client here"`
	Notify        []string    `json:"notify,omitempty" maxItems:"20" nullable:"false" doc:"Addresses that get the mail at the end, without display names. Default: the token's email. An empty array: no mail"`
	Locale        string      `json:"locale,omitempty" maxLength:"35" doc:"Language of the mail (BCP 47). Default: the tenant's"`
	NotBefore     time.Time   `json:"not_before,omitzero" doc:"Start no earlier than this (RFC 3339), at most a year ahead. Default: as soon as the service's grace period (OUBLI_GRACE) has passed"`
	Override      []string    `json:"override,omitempty" maxItems:"64" nullable:"false" doc:"Names of guards to ignore. Only guards that the map marks as overridable are allowed"`

	DryRun bool `json:"dry_run,omitempty" doc:"Run the erasure and roll it back: the job reports what it would do, by outcome and by table. No mail is sent, and a selection can still be used"`

	mail mailOptions
}

var exampleRequest = map[string]any{
	"client_ids": []any{"0b0e6d3c-52d5-4a9e-8a50-1c4f0f5a7f01", "7d1f3a57-0f3e-4a0b-b9b1-3f5d6d0c2e02"},
	"reason":     "subject_request",
	"comment":    "Ticket 4711",
	"notify":     []any{"owner@studio.example"},
	"locale":     "fr",
}

// TransformSchema documents that client ids may be numbers.
func (erasureRequest) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Properties["client_ids"].Items = keySchema()
	s.Properties["notify"].Items.Format = "email"
	return s
}

// fields defines how the body is read.
func (b *erasureRequest) fields() map[string]field {
	fields := map[string]field{
		"tenant_id": {read: func(r *reader) { r.text(&b.TenantID, jobs.MaxTenantLength, false) }},
		"selection_id": {read: func(r *reader) {
			s, ok := r.str(r.next())
			if ok && !uuidText.MatchString(s) {
				r.fault("bad_value", "Want the id of a selection, a UUID.")
			}
			b.SelectionID = strings.ToLower(s)
		}},
		"expected_count": {read: func(r *reader) {
			b.ExpectedCount = new(int)
			r.count(b.ExpectedCount)
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
				case s == "" || len(s) > maxName || !storable(s):
					r.fault("bad_value", "This is not a valid name of a guard.")
				default:
					b.Override = append(b.Override, s)
				}
			})
		}},
	}
	b.mail.fields(fields, &b.Notify, &b.Locale)
	return fields
}

func (b *erasureRequest) readNotBefore(r *reader) {
	s, ok := r.str(r.next())
	if !ok {
		return
	}
	if err := b.NotBefore.UnmarshalText([]byte(s)); err != nil {
		b.NotBefore = time.Time{}
		r.fault("bad_value", "Want a time in the format of RFC 3339, such as 2026-10-01T06:00:00Z.")
	}
}

// request returns the request for the store. This process only checks that
// not_before is not too far ahead. Whether the time has come is decided by the
// database's clock.
func (b *erasureRequest) request(c jobs.Caller, tenant string, now time.Time) (jobs.ErasureRequest, *Problem) {
	req := jobs.ErasureRequest{
		TenantID:    tenant,
		ClientIDs:   b.ClientIDs,
		SelectionID: b.SelectionID,
		Reason:      b.Reason,
		Comment:     b.Comment,
		Notify:      b.mail.recipients(c, b.DryRun, b.Notify),
		Locale:      b.Locale,
		Override:    b.Override,
		DryRun:      b.DryRun,
		CreatedBy:   c.Subject,
	}
	if b.ExpectedCount != nil {
		req.ExpectedCount = *b.ExpectedCount
	}
	if b.NotBefore.After(now.Add(maxDelay)) {
		return req, invalid(Fault{Code: "bad_value", Detail: "This may be at most one year ahead.", Pointer: "/not_before"})
	}
	if !b.NotBefore.IsZero() {
		req.NotBefore = b.NotBefore.UTC()
	}
	return req, nil
}

// checkCombination returns faults in the combination of fields: a request must
// have clients or a selection, and not both.
func (b *erasureRequest) checkCombination() []Fault {
	if faults := b.mail.checkCombination(b.DryRun, b.Notify); faults != nil {
		return faults
	}
	switch {
	case b.ClientIDs == nil && b.SelectionID == "":
		return []Fault{{Code: "required", Detail: "Send the clients here, or a selection in selection_id.", Pointer: "/client_ids"}}
	case b.ClientIDs != nil && b.SelectionID != "":
		return []Fault{{Code: "contradiction", Detail: "Send either client_ids or selection_id, not both.", Pointer: "/selection_id"}}
	case b.SelectionID != "" && b.ExpectedCount == nil:
		return []Fault{{Code: "required", Detail: "Send the number of clients that the administrator confirmed.", Pointer: "/expected_count"}}
	case b.SelectionID == "" && b.ExpectedCount != nil:
		return []Fault{{Code: "contradiction", Detail: "This is allowed with selection_id only.", Pointer: "/expected_count"}}
	}
	return nil
}
