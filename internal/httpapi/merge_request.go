package httpapi

import (
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"

	"github.com/oubli/oubli/jobs"
)

// mergeBody bounds the bodies of merges: a thousand keys of 64 bytes with their
// quotes and commas, and room for the rest.
const mergeBody = 256 << 10

// mergeRequest is the body of POST /v1/merges.
type mergeRequest struct {
	TenantID     string            `json:"tenant_id,omitempty" maxLength:"64" doc:"The tenant whose clients these are. Required with a token for all tenants; else the token's tenant, and any other is refused"`
	SourceIDs    []string          `json:"source_client_ids" minItems:"1" maxItems:"1000" nullable:"false" doc:"Keys of the clients that are merged, as strings or whole numbers; all must be the tenant's"`
	Target       mergeTarget       `json:"target" doc:"Who takes over: a client of the same tenant, or the tenant's anonymous profile"`
	DeleteSource bool              `json:"delete_source" doc:"Delete the sources once they are merged"`
	FillBlanks   bool              `json:"fill_blanks,omitempty" default:"true" doc:"Give the target what it lacks and a source has, as the map's fill says. Sources are taken in the order of their keys"`
	Conflicts    jobs.ConflictRule `json:"conflicts,omitempty" enum:"fail,keep_target" default:"fail" doc:"What becomes of a source's row of which the target has the like already, such as a place in the same class: fail leaves the whole source as it is, keep_target drops the source's row"`
	Comment      string            `json:"comment,omitempty" maxLength:"2000" doc:"Kept with the job and shown to its readers. Do not name a client here"`
	Notify       []string          `json:"notify,omitempty" maxItems:"20" nullable:"false" doc:"Who gets the mail at the end: bare addresses. Left out: the token's email; an empty array: nobody"`
	Locale       string            `json:"locale,omitempty" maxLength:"35" doc:"Language of the mail (BCP 47). Left out: the tenant's"`
	DryRun       bool              `json:"dry_run,omitempty" doc:"Run everything and take it back, source by source: the job says what a merge would do, by outcome and by table. Conflicts between two of the sources show in the real merge only. Nobody is notified"`

	notice notice
}

// mergeTarget names who takes over.
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

// TransformSchema lets client ids be numbers.
func (mergeRequest) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Properties["source_client_ids"].Items = keySchema()
	s.Properties["notify"].Items.Format = "email"
	return s
}

// TransformSchema says that a target is one of two.
func (mergeTarget) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Properties["client_id"] = keySchema()
	one := 1
	s.MinProperties, s.MaxProperties = &one, &one
	return s
}

// keySchema is how a client's key is written.
func keySchema() *huma.Schema {
	one, limit := 1, jobs.MaxKeyLength
	return &huma.Schema{OneOf: []*huma.Schema{
		{Type: huma.TypeString, MinLength: &one, MaxLength: &limit},
		{Type: huma.TypeInteger, Format: "int64"},
	}}
}

// fields says how the body is read.
func (b *mergeRequest) fields() map[string]field {
	b.FillBlanks, b.Conflicts = true, jobs.FailOnConflict
	fields := map[string]field{
		"tenant_id": {read: func(r *reader) { r.text(&b.TenantID, jobs.MaxKeyLength, false) }},
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
	b.notice.fields(fields, &b.Notify, &b.Locale)
	return fields
}

func (b *mergeRequest) readTarget(r *reader) {
	here, before, named := r.at, len(r.faults), 0
	r.object(map[string]field{
		"client_id": {read: func(r *reader) {
			if key, ok := r.key(r.next()); ok {
				b.Target.ClientID = key
				named++
			}
		}},
		"anonymous": {read: func(r *reader) {
			r.boolean(&b.Target.Anonymous)
			if b.Target.Anonymous {
				named++
			}
		}},
	})
	if len(r.faults) == before && named != 1 {
		r.faultAt(here, "contradiction", `Want either {"client_id": …} or {"anonymous": true}.`)
	}
}

// together finds what is wrong between fields.
func (b *mergeRequest) together() []Fault {
	return b.notice.together(b.DryRun, b.Notify)
}

// request is what the caller asks for.
func (b *mergeRequest) request(c jobs.Caller, tenant string) jobs.MergeRequest {
	return jobs.MergeRequest{
		TenantID: tenant, SourceIDs: b.SourceIDs, Target: b.Target.ClientID, DeleteSource: b.DeleteSource, FillBlanks: b.FillBlanks,
		Conflicts: b.Conflicts, Comment: b.Comment, Notify: b.notice.recipients(c, b.DryRun, b.Notify), Locale: b.Locale, DryRun: b.DryRun, CreatedBy: c.Subject,
	}
}
