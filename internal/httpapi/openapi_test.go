package httpapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

type document31 struct {
	OpenAPI    string `json:"openapi"`
	Components struct {
		Schemas         map[string]any `json:"schemas"`
		SecuritySchemes map[string]any `json:"securitySchemes"`
	} `json:"components"`
	Paths map[string]map[string]struct {
		OperationID string           `json:"operationId"`
		Summary     string           `json:"summary"`
		Description string           `json:"description"`
		Security    []map[string]any `json:"security"`
		RequestBody *struct {
			Content map[string]struct{ Schema, Example any }
		} `json:"requestBody"`
		Parameters []struct {
			Name, In, Description string
		} `json:"parameters"`
		Responses map[string]struct {
			Description string
			Headers     map[string]any
			Content     map[string]struct {
				Schema   map[string]any
				Examples map[string]struct{ Value Problem }
			}
		} `json:"responses"`
	} `json:"paths"`
}

func mustDocument(t *testing.T) (document31, string) {
	t.Helper()
	a := newTestAPI(t).ask(t, "GET", "/openapi.json", "", "")
	if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("got %d %v", a.StatusCode, a.Header)
	}
	var d document31
	if err := json.Unmarshal([]byte(a.body), &d); err != nil {
		t.Fatal(err)
	}
	return d, a.body
}

func TestTheDocumentHasAllThatADeveloperNeeds(t *testing.T) {
	t.Parallel()
	d, text := mustDocument(t)
	if d.OpenAPI != "3.1.0" || d.Components.SecuritySchemes["bearer"] == nil {
		t.Errorf("version %s, security %v", d.OpenAPI, d.Components.SecuritySchemes)
	}
	operations := 0
	for path, item := range d.Paths {
		for method, op := range item {
			operations++
			if op.OperationID == "" || op.Summary == "" || op.Description == "" || len(op.Security) != 1 {
				t.Errorf("%s %s: %+v", method, path, op)
			}
			for _, p := range op.Parameters {
				if p.Description == "" {
					t.Errorf("%s %s: parameter %s has no description", method, path, p.Name)
				}
			}
			for status, r := range op.Responses {
				for name, example := range r.Content["application/problem+json"].Examples {
					if example.Value.Code != name || !strings.Contains(r.Description, "`"+name+"`") {
						t.Errorf("%s %s %s: example %s is %+v", method, path, status, name, example.Value)
					}
				}
			}
			for _, status := range []string{"401", "403", "422", "500", "503"} {
				if op.Responses[status].Content["application/problem+json"].Schema["$ref"] != "#/components/schemas/Problem" {
					t.Errorf("%s %s does not document %s", method, path, status)
				}
			}
		}
	}
	if operations != len(rules) {
		t.Errorf("%d operations", operations)
	}
	post := d.Paths["/v1/erasures"]["post"]
	if post.RequestBody == nil || post.RequestBody.Content["application/json"].Example == nil {
		t.Error("the body is not documented with an example")
	}
	if post.Responses["202"].Headers["Location"] == nil || post.Responses["409"].Description == "" {
		t.Errorf("the answers to a POST: %+v", post.Responses)
	}
	if strings.Contains(text, "ErrorModel") || strings.Contains(text, "ErrorDetail") {
		t.Error("huma's errors are documented")
	}
	for _, part := range strings.Split(text, `"$ref": "#/components/schemas/`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		if d.Components.Schemas[name] == nil {
			t.Errorf("reference to %s, which is not there", name)
		}
	}
}

func TestTheDocumentsExamplesAreAccepted(t *testing.T) {
	t.Parallel()
	d, _ := mustDocument(t)
	for path, fields := range map[string]map[string]field{
		"/v1/erasures": new(erasureRequest).fields(),
		"/v1/merges":   new(mergeRequest).fields(),
	} {
		body, err := json.Marshal(d.Paths[path]["post"].RequestBody.Content["application/json"].Example)
		if err != nil {
			t.Fatal(err)
		}
		if p := readBody(body, fields, nil); p != nil {
			t.Errorf("%s: %+v", body, p)
		}
	}
}
