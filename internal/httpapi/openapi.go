package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/oubli/oubli/jobs"
)

const introduction = `Erases clients' personal data in bulk, in the background.

**How to use it.** Ask for an erasure with ` + "`POST /v1/erasures`" + `: the answer, 202, comes at once and names the job in ` + "`Location`" + `. Read the job there until ` + "`finished_at`" + ` is set, or wait for the e-mail that the administrator gets at the end. ` + "`counts`" + ` always adds up to ` + "`requested`" + `; who was not plainly erased, and why, is listed under ` + "`/clients`" + `.

**Tokens.** Every route but this document needs a JWT as bearer token, with ` + "`aud: \"oubli\"`, `exp`, `sub`, `email`, `tenant` and `role`" + `. Role ` + "`admin`" + ` may change, ` + "`viewer`" + ` may read. The tenant is an id, or ` + "`\"*\"`" + ` for a trusted service, which then names ` + "`tenant_id`" + ` itself. Another tenant's job answers 404.

**Problems.** Every answer of 400 and above is ` + "`application/problem+json`" + ` (RFC 9457). Decide by ` + "`code`" + `, which is stable; show ` + "`detail`" + ` to people. No problem repeats what was sent: ` + "`errors`" + ` says where each mistake stands.

**Limits.** A caller who sends more than its share gets 429 with ` + "`Retry-After`" + ` in seconds; nothing was done, and the same request is good then.

**Repeats.** A request whose answer was lost is safe to repeat with the same ` + "`Idempotency-Key`" + ` and the same body.`

// document is the frame of the OpenAPI document.
func document(version string) huma.Config {
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	registry.RegisterTypeAlias(reflect.TypeFor[jobs.Date](), reflect.TypeFor[day]())
	registry.Schema(reflect.TypeFor[Problem](), true, "")
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:       "oubli",
				Version:     version,
				Description: introduction,
				License:     &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			},
			Components: &huma.Components{
				Schemas: registry,
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "HS256, EdDSA or RS256, as the service is configured."},
				},
			},
			Tags: []*huma.Tag{{Name: "erasures", Description: "Jobs that erase clients."}, {Name: "selections", Description: "Frozen lists of clients who could be erased."}, {Name: "merges", Description: "Jobs by which one client takes over what belongs to others."}},
		},
		Formats:                      jsonFormats(),
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{ownProblems},
	}
}

// day is how jobs.Date looks in the document.
type day struct{}

// Schema is a string of the form YYYY-MM-DD.
func (day) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date", Nullable: true, Examples: []any{"2036-12-31"}}
}

// describeOperation documents an operation, all of its problems included.
func describeOperation(op operation) huma.Operation {
	var params []*huma.Param
	if op.idempotent {
		one, limit := 1, jobs.MaxIdempotencyK
		params = append(params, &huma.Param{
			Name: "Idempotency-Key", In: "header", Required: true,
			Description: "A random value, new for every job and the same for every repeat of its request. White space in the body may differ between repeats, nothing else.",
			Schema:      &huma.Schema{Type: huma.TypeString, MinLength: &one, MaxLength: &limit},
			Example:     "6b1f0f5e-6b6e-4a53-9a1f-0c3a52b4d1a7",
		})
	}
	return huma.Operation{
		Method:        op.method,
		Path:          op.path,
		OperationID:   op.id,
		Summary:       op.summary,
		Description:   op.description,
		Tags:          []string{strings.Split(op.path, "/")[2]},
		DefaultStatus: op.status,
		Parameters:    params,
		Responses:     problemResponses(op),
		Security:      []map[string][]string{{"bearer": {}}},
	}
}

// problemResponses documents the problems of an operation by status.
func problemResponses(op operation) map[string]*huma.Response {
	names := slices.Concat(op.codes, []string{"unauthenticated", "token_expired", "forbidden", "too_many_requests", "validation_failed", "internal", "unavailable", "timeout"})
	if op.idempotent {
		names = append(names, "idempotency_key_missing", "idempotency_key_invalid", "idempotency_in_flight", "idempotency_key_reused")
	}
	if op.body > 0 {
		names = append(names, "malformed_json", "body_missing", "body_unreadable", "body_timeout", "body_too_large", "unsupported_media_type")
	}
	slices.Sort(names)
	responses := map[string]*huma.Response{}
	for _, name := range names {
		c, ok := codes[name]
		if !ok {
			panic("code without a meaning: " + name)
		}
		status := statusOf(c.kind, name)
		key := strconv.Itoa(status)
		r := responses[key]
		if r == nil {
			r = &huma.Response{
				Description: http.StatusText(status) + ".",
				Content: map[string]*huma.MediaType{"application/problem+json": {
					Schema:   &huma.Schema{Ref: "#/components/schemas/Problem"},
					Examples: map[string]*huma.Example{},
				}},
			}
			responses[key] = r
		}
		r.Description += fmt.Sprintf("\n- `%s`: %s", name, c.meaning)
		r.Content["application/problem+json"].Examples[name] = &huma.Example{Value: exampleProblem(name)}
	}
	return responses
}

func exampleProblem(name string) *Problem {
	p := newProblem(name, codes[name].meaning)
	if name == "validation_failed" {
		p = invalid(Fault{Code: "required", Detail: "This field is required.", Pointer: "/reason"})
	}
	p.RequestID = "NPKKGDIWYQBL7CLYXQJWO3WUBY"
	return p
}

// describeBody documents the body of an operation. It runs after the route is
// registered, because huma would read a body that it knows of.
func describeBody[B any](h huma.API, op operation) {
	schemas := h.OpenAPI().Components.Schemas
	route := h.OpenAPI().Paths[op.path].Post
	if op.method == http.MethodPatch {
		route = h.OpenAPI().Paths[op.path].Patch
	}
	route.RequestBody = &huma.RequestBody{
		Required: true,
		Content: map[string]*huma.MediaType{"application/json": {
			Schema:  schemas.Schema(reflect.TypeFor[B](), true, ""),
			Example: op.example,
		}},
	}
}

// specification is the OpenAPI document as bytes.
func specification(h huma.API) ([]byte, error) {
	schemas := h.OpenAPI().Components.Schemas.Map()
	// huma's own errors never leave this package.
	delete(schemas, "ErrorModel")
	delete(schemas, "ErrorDetail")
	for name, s := range schemas {
		if !strings.HasSuffix(name, "Request") {
			s.AdditionalProperties = nil // answers may grow
		}
		for _, property := range s.Properties {
			if property.Type == huma.TypeArray {
				property.Nullable = false
			}
		}
	}
	spec, err := json.MarshalIndent(h.OpenAPI(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write OpenAPI document: %w", err)
	}
	return spec, nil
}
