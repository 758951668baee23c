package httpapi

import (
	_ "embed"
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

// introduction is the description of the API in its OpenAPI document.
//
//go:embed introduction.md
var introduction string

// document returns the OpenAPI document without its routes.
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
				Description: strings.TrimSpace(introduction),
				License:     &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			},
			Components: &huma.Components{
				Schemas: registry,
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"bearer": {
						Type:         "http",
						Scheme:       "bearer",
						BearerFormat: "JWT",
						Description:  "Signed with HS256, EdDSA or RS256, depending on the configuration of the service.",
					},
				},
			},
			Tags: []*huma.Tag{
				{Name: "erasures", Description: "Jobs that erase clients."},
				{Name: "selections", Description: "Stored lists of inactive clients, to review before they are erased."},
				{Name: "clients", Description: "What is held about clients of the application."},
				{Name: "console-sessions", Description: "Sessions of the console in a browser."},
				{Name: "events", Description: "Changes of the states of jobs, as they happen."},
				{Name: "merges", Description: "Jobs that move the rows of some clients to another client."},
			},
		},
		Formats:                      jsonFormats(),
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{ownProblems},
	}
}

// day documents jobs.Date.
type day struct{}

// Schema returns the schema of a string of the form YYYY-MM-DD.
func (day) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date", Nullable: true, Examples: []any{"2036-12-31"}}
}

// describeOperation documents an operation and its problems.
func describeOperation(op operation) huma.Operation {
	var params []*huma.Param
	if op.idempotent {
		one, limit := 1, jobs.MaxIdempotencyK
		params = append(params, &huma.Param{
			Name: "Idempotency-Key", In: "header", Required: true,
			Description: "A random value. Use a new one for every job, and the same one when you repeat a request. " +
				"A repeat may differ in the white space of its body, and in nothing else. " +
				"Keys are kept for seven days: after that, the same request creates a new job.",
			Schema:  &huma.Schema{Type: huma.TypeString, MinLength: &one, MaxLength: &limit},
			Example: "6b1f0f5e-6b6e-4a53-9a1f-0c3a52b4d1a7",
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
	names := slices.Concat(op.codes, []string{
		"unauthenticated", "token_expired", "forbidden", "too_many_requests", "validation_failed",
		"internal", "unavailable", "timeout",
	})
	if op.idempotent {
		names = append(names, "idempotency_key_missing", "idempotency_key_invalid", "idempotency_in_flight", "idempotency_key_reused")
	}
	if op.body > 0 {
		names = append(names, "malformed_json", "body_missing", "body_unreadable", "body_timeout", "body_too_large",
			"unsupported_media_type")
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

// describeBody documents the body of an operation. It must run after the route is
// registered: otherwise huma would read the body itself.
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

// specification returns the OpenAPI document as JSON.
func specification(h huma.API) ([]byte, error) {
	schemas := h.OpenAPI().Components.Schemas.Map()
	// huma's own error types are never sent; see ownProblems.
	delete(schemas, "ErrorModel")
	delete(schemas, "ErrorDetail")
	for name, s := range schemas {
		if !strings.HasSuffix(name, "Request") {
			s.AdditionalProperties = nil // fields may be added to answers
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
