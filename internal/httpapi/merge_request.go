package httpapi

import (
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"

	"github.com/oubli/oubli/jobs"
)

// mergeBody is the limit of a merge's body in bytes: a thousand keys of 64 bytes
// with quotes and commas, and room for the other fields.
const mergeBody = 256 << 10

// mergeRequest is the body of POST /v1/merges.
type mergeRequest struct {
	TenantID     string            `json:"tenant_id,omitempty" maxLength:"64" doc:"The tenant of the clients. Required with a token for all tenants (*). With any other token it may be left out, and must be the token's tenant"`
	SourceIDs    []string          `json:"source_client_ids" minItems:"1" maxItems:"1000" nullable:"false" doc:"Keys of the clients to merge into the target, as strings or whole numbers. All must belong to the tenant"`
	Target       mergeTarget       `json:"target" doc:"Who gets the rows of the sources: a client of the same tenant, or the tenant's anonymous profile"`
	DeleteSource bool              `json:"delete_source" doc:"Delete the sources after they are merged"`
	FillBlanks   bool              `json:"fill_blanks,omitempty" default:"true" doc:"Copy values of the sources into blank fields of the target, for the columns that the map lists under fill. Sources are processed in the order of their keys"`
	Conflicts    jobs.ConflictRule `json:"conflicts,omitempty" enum:"fail,keep_target" default:"fail" doc:"What to do when a unique constraint does not allow source and target to both have a row, such as a place in the same class. fail: do not merge this source. keep_target: delete the source's row"`
	Comment      string            `json:"comment,omitempty" maxLength:"2000" doc:"Stored with the job and shown to everybody who may read it. Do not name a client here"`
	Notify       []string          `json:"notify,omitempty" maxItems:"20" nullable:"false" doc:"Addresses that get the mail at the end, without display names. Default: the token's email. An empty array: no mail"`
	Locale       string            `json:"locale,omitempty" maxLength:"35" doc:"Language of the mail (BCP 47). Default: the tenant's"`
	DryRun       bool              `json:"dry_run,omitempty" doc:"Run the merge and roll it back, source by source: the job reports what it would do, by outcome and by table. Conflicts between two sources appear only in the real merge. No mail is sent"`

	mail mailOptions
}

// mergeTarget says who gets the rows. Exactly one of its fields is set.
type mergeTarget struct {
	ClientID  string `json:"client_id,omitempty" doc:"Key of the client"`
	Anonymous bool   `json:"anonymous,omitempty" doc:"The tenant's anonymous profile"`
}

var exampleMerge = map[string]any{
	"source_client_ids": []any{"0b0e6d3c-52d5-4a9e-8a50-1c4f0f5a7f01"},
	"target":            map[string]any{"client_id": "7d1f3a57-0f3e-4a0b-b9b1-3f5d6d0c2e02"},
	"delete_source":     true,
	"conflicts":         "keep_target",
	"comment":           "Doppelt angelegt",
}

// TransformSchema documents that client ids may be numbers.
func (mergeRequest) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Properties["source_client_ids"].Items = keySchema()
	s.Properties["notify"].Items.Format = "email"
	return s
}

// TransformSchema documents that a target has exactly one of its two fields.
func (mergeTarget) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Properties["client_id"] = keySchema()
	one := 1
	s.MinProperties, s.MaxProperties = &one, &one
	return s
}

// keySchema returns the schema of a client's key.
func keySchema() *huma.Schema {
	one, limit := 1, jobs.MaxKeyLength
	return &huma.Schema{OneOf: []*huma.Schema{
		{Type: huma.TypeString, MinLength: &one, MaxLength: &limit},
		{Type: huma.TypeInteger, Format: "int64"},
	}}
}

// fields defines how the body is read.
func (b *mergeRequest) fields() map[string]field {
	b.FillBlanks, b.Conflicts = true, jobs.FailOnConflict
	fields := map[string]field{
		"tenant_id": {read: func(r *reader) { r.text(&b.TenantID, jobs.MaxTenantLength, false) }},
		"source_client_ids": {required: true, read: func(r *reader) {
			r.array(1, jobs.MaxSources, func(tok json.Token) {
				if key, ok := r.key(tok); ok {
					b.SourceIDs = append(b.SourceIDs, key)
				}
			})
		}},
		"target":        {required: true, read: b.readTarget},
		"delete_source": {required: true, read: func(r *reader) { r.boolean(&b.DeleteSource) }},
		"fill_blanks":   {read: func(r *reader) { r.boolean(&b.FillBlanks) }},
		"conflicts": {read: func(r *reader) {
			s, ok := r.str(r.next())
			switch b.Conflicts = jobs.ConflictRule(s); {
			case !ok:
			case b.Conflicts != jobs.FailOnConflict && b.Conflicts != jobs.KeepTarget:
				r.fault("bad_value", "Want fail or keep_target.")
			}
		}},
		"comment": {read: func(r *reader) { r.text(&b.Comment, jobs.MaxComment, true) }},
		"dry_run": {read: func(r *reader) { r.boolean(&b.DryRun) }},
	}
	b.mail.fields(fields, &b.Notify, &b.Locale)
	return fields
}

func (b *mergeRequest) readTarget(r *reader) {
	at, faultsBefore, targets := r.at, len(r.faults), 0
	r.object(map[string]field{
		"client_id": {read: func(r *reader) {
			if key, ok := r.key(r.next()); ok {
				b.Target.ClientID = key
				targets++
			}
		}},
		"anonymous": {read: func(r *reader) {
			r.boolean(&b.Target.Anonymous)
			if b.Target.Anonymous {
				targets++
			}
		}},
	})
	if len(r.faults) == faultsBefore && targets != 1 {
		r.faultAt(at, "contradiction", `Want either {"client_id": …} or {"anonymous": true}.`)
	}
}

// checkCombination returns faults in the combination of fields.
func (b *mergeRequest) checkCombination() []Fault {
	return b.mail.checkCombination(b.DryRun, b.Notify)
}

// request returns the request for the store.
func (b *mergeRequest) request(c jobs.Caller, tenant string) jobs.MergeRequest {
	return jobs.MergeRequest{
		TenantID:     tenant,
		SourceIDs:    b.SourceIDs,
		Target:       b.Target.ClientID,
		DeleteSource: b.DeleteSource,
		FillBlanks:   b.FillBlanks,
		Conflicts:    b.Conflicts,
		Comment:      b.Comment,
		Notify:       b.mail.recipients(c, b.DryRun, b.Notify),
		Locale:       b.Locale,
		DryRun:       b.DryRun,
		CreatedBy:    c.Subject,
	}
}
