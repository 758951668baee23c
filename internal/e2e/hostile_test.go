package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// personal is what hostile requests contain in place of a person's data.
const personal = "Zorro"

func (s *fixture) hostilities(t *testing.T) []hostile {
	good := `{"client_ids":["1"],"reason":"subject_request"`
	ids := func(ids string) string { return `{"client_ids":[` + ids + `],"reason":"subject_request"}` }
	erase := func(name, body string, want int, code string, headers ...string) hostile {
		return hostile{name, "POST", "/v1/erasures", headers, body, want, code}
	}
	get := func(name, path string, want int, code string, headers ...string) hostile {
		return hostile{name, "GET", path, headers, "", want, code}
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(z, good+"}")
	_ = z.Close()
	wide := make([]byte, 0, 100)
	for _, c := range good + "}" {
		wide = append(wide, byte(c), 0)
	}
	huge := good + `,"comment":"` + strings.Repeat("x", 29<<20) + `"}`
	theirs := s.Strings(t, "SELECT id::text FROM clients WHERE studio_id = 2 AND NOT is_anonymous ORDER BY id LIMIT 1")[0]
	sel := "/v1/selections/" + s.selection
	merge := func(name, sources, target string, want int, code string) hostile {
		body := `{"source_client_ids":[` + sources + `],"target":` + target + `,"delete_source":true}`
		return hostile{name, "POST", "/v1/merges", nil, body, want, code}
	}
	pair := s.plain(t, 1, 2)
	one := `{"client_id":"` + pair[0] + `"}`

	return []hostile{
		get("SQL as an id", "/v1/erasures/'%20OR%20'1'='1", 404, "not_found"),
		get("SQL behind an id", "/v1/erasures/"+s.job+"'--", 404, "not_found"),
		get("NUL as an id", "/v1/erasures/%00", 404, "not_found"),
		get("NUL behind an id", "/v1/erasures/"+s.job+"%00", 404, "not_found"),
		get("invalid UTF-8 as an id", "/v1/erasures/%ff%fe%80", 404, "not_found"),
		get("a header behind an id", "/v1/erasures/"+s.job+"%0d%0aSet-Cookie:%20a=b", 404, "not_found"),
		get("a path for an id", "/v1/erasures/..%2f..%2f..%2fetc%2fpasswd", 404, ""),
		get("a way up", "/v1/../../../etc/passwd", 404, "route_not_found"),
		get("a way up, twice encoded", "/v1/%252e%252e/%252e%252e/etc/passwd", 404, "route_not_found"),
		get("a way up by backslash", `/v1/..\..\windows\win.ini`, 404, "route_not_found"),
		get("an empty part", "//v1//erasures", 404, "route_not_found"),
		get("a long id", "/v1/erasures/"+strings.Repeat("a", 8<<10), 404, "not_found"),
		get("another form of the id", "/v1/erasures/%7B"+s.job+"%7D", 404, "not_found"),
		get("the id as a URN", "/v1/erasures/urn:uuid:"+s.job, 404, "not_found"),
		{"a step with SQL", "POST", "/v1/erasures/';DROP%20TABLE%20oubli.jobs;--/cancel", nil, "", 404, "not_found"},
		{"a step that is none", "POST", "/v1/erasures/" + s.job + "/delete", nil, "", 404, "route_not_found"},
		{"a step of the wrong state", "POST", "/v1/erasures/" + s.job + "/resume", nil, `{"state":"running"}`, 409, "wrong_state"},

		get("a limit beyond numbers", "/v1/erasures?limit=99999999999999999999", 422, "validation_failed"),
		get("a limit below none", "/v1/erasures?limit=-1", 422, "validation_failed"),
		get("a limit with an exponent", "/v1/erasures?limit=1e3", 422, "validation_failed"),
		get("SQL as a state", "/v1/erasures?state=running'%20OR%201=1--", 422, "validation_failed"),
		get("SQL as a cursor", "/v1/erasures?cursor='%3BDROP%20TABLE%20clients%3B--", 422, "bad_cursor"),
		get("SQL as a list's cursor", "/v1/erasures/"+s.job+"/clients?cursor='%20OR%20''='", 422, "bad_cursor"),
		get("a client's key as a cursor", "/v1/erasures/"+s.job+"/clients?cursor=1", 422, "bad_cursor"),
		get("NUL in a cursor", "/v1/erasures/"+s.job+"/clients?cursor=%00", 422, "bad_cursor"),
		get("a number for a cursor", sel+"/clients?cursor=2147483648", 422, "bad_cursor"),
		get("an outcome that is not listed", "/v1/erasures/"+s.job+"/clients?outcome=erased", 422, "validation_failed"),
		get("another tenant's list", "/v1/erasures?tenant_id=2", 403, "tenant_mismatch"),
		get("everybody's list", "/v1/erasures?tenant_id=*", 403, "tenant_mismatch"),
		get("a parameter that nobody knows", "/v1/erasures?"+personal+"=1", 422, "validation_failed"),
		get("a query that is none", "/v1/erasures?%zz", 422, "validation_failed"),
		get("a filter behind a semicolon", "/v1/erasures?limit=1;state=failed", 422, "validation_failed"),
		get("two limits", "/v1/erasures?limit=1&limit=1000", 422, "validation_failed"),

		erase("SQL as a client", ids(`"1; DROP TABLE clients"`), 422, "bad_client_id"),
		erase("a condition as a client", ids(`"1' OR '1'='1"`), 422, "bad_client_id"),
		erase("a name as a client", ids(`"`+personal+`"`), 422, "bad_client_id"),
		erase("NUL in a client", ids(`"1\u0000"`), 422, "validation_failed"),
		erase("a number beyond 64 bits", ids(`9223372036854775808`), 422, "validation_failed"),
		erase("a number beyond floats", ids(`1e999`), 422, "validation_failed"),
		erase("a number of a million digits", ids("1"+strings.Repeat("0", 1_000_000)), 422, "validation_failed"),
		erase("a fraction", ids(`1.0`), 422, "validation_failed"),
		erase("other digits", ids(`"١"`), 422, "bad_client_id"),
		erase("more clients than allowed", ids(strings.TrimSuffix(strings.Repeat("1,", 100_001), ",")), 422, "validation_failed"),
		erase("nobody", ids(``), 422, "validation_failed"),
		erase("the same field twice", good+`,"client_ids":["2"]}`, 422, "validation_failed"),
		erase("the same field twice, in escapes", good+`,"dry_run":true,"dry\u005frun":false}`, 422, "validation_failed"),
		erase("a field in capitals", good+`,"DRY_RUN":false}`, 422, "validation_failed"),
		erase("a prototype", good+`,"__proto__":{"role":"admin"}}`, 422, "validation_failed"),
		erase("depth", strings.Repeat("[", 1_000_000), 400, "malformed_json"),
		erase("depth in a field", good+`,"x":`+strings.Repeat(`{"a":`, 200_000)+"1"+strings.Repeat("}", 200_000)+"}", 400, "malformed_json"),
		erase("invalid UTF-8", good+",\"comment\":\"\xff\xfe\"}", 400, "malformed_json"),
		erase("a raw NUL", good+",\"comment\":\"\x00\"}", 400, "malformed_json"),
		erase("NUL in a comment", good+`,"comment":"`+personal+`\u0000"}`, 422, "validation_failed"),
		erase("an escape sequence in a comment", good+`,"comment":"\u001b[2J`+personal+`"}`, 422, "validation_failed"),
		erase("a mark of byte order", "\ufeff"+good+"}", 400, "malformed_json"),
		erase("two bodies", good+"}"+good+"}", 400, "malformed_json"),
		erase("no body", "", 400, "body_missing"),
		erase("a compressed body", zipped.String(), 415, "unsupported_media_type", "Content-Encoding: gzip"),
		erase("a compressed body that does not say so", zipped.String(), 400, "malformed_json"),
		erase("wide characters", string(wide), 400, "malformed_json", "Content-Type: application/json; charset=utf-16le"),
		erase("a form", "client_ids=1&reason=subject_request", 415, "unsupported_media_type", "Content-Type: application/x-www-form-urlencoded"),
		erase("plain text, as a page elsewhere may send it", good+"}", 415, "unsupported_media_type", "Content-Type: text/plain"),
		erase("several parts", good+"}", 415, "unsupported_media_type", "Content-Type: multipart/form-data; boundary=x"),
		erase("a type that is none", good+"}", 415, "unsupported_media_type", "Content-Type: ;;"),
		erase("29 megabytes", huge, 413, "body_too_large"),
		erase("29 megabytes in chunks", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(huge), huge), 413, "body_too_large",
			"-Content-Length", "Transfer-Encoding: chunked"),
		erase("a header in an address", good+`,"notify":["a@b.example\r\nBcc: `+personal+`@b.example"]}`, 422, "validation_failed"),
		erase("a recipient with a name", good+`,"notify":["=?utf-8?q?x=0D=0ABcc:_`+personal+`?= <a@b.example>"]}`, 422, "validation_failed"),
		erase("a guard that holds", good+`,"override":["legal_hold"]}`, 422, "not_overridable"),
		erase("SQL as a guard", good+`,"override":["true); DROP TABLE clients; --"]}`, 422, "not_overridable"),
		erase("another tenant", good+`,"tenant_id":"2"}`, 403, "tenant_mismatch"),
		erase("every tenant", good+`,"tenant_id":"*"}`, 403, "tenant_mismatch"),
		erase("its own tenant, with a blank", good+`,"tenant_id":"1 "}`, 403, "tenant_mismatch"),
		erase("a start in ten thousand years", good+`,"not_before":"9999-12-31T23:59:59Z"}`, 422, "validation_failed"),
		erase("a selection with another count",
			`{"selection_id":"`+s.selection+`","expected_count":1,"reason":"inactivity"}`, 409, "count_changed"),
		erase("a selection beyond counts",
			`{"selection_id":"`+s.selection+`","expected_count":2147483648,"reason":"inactivity"}`, 422, "validation_failed"),
		erase("a job for a selection", `{"selection_id":"`+s.job+`","expected_count":1,"reason":"inactivity"}`, 404, "not_found"),

		{"a period of ages", "POST", "/v1/selections", nil, `{"period":"P999Y9999M9999W99999D"}`, 422, "bad_period"},
		{"a period of a day", "POST", "/v1/selections", nil, `{"period":"P1D"}`, 422, "period_too_short"},
		{"a period of none", "POST", "/v1/selections", nil, `{"period":"P0D"}`, 422, "period_too_short"},
		{"a period of SQL", "POST", "/v1/selections", nil, `{"period":"1 year'; DROP TABLE clients; --"}`, 422, "validation_failed"},
		{"SQL as an activity", "POST", "/v1/selections", nil, `{"period":"P1Y","without":["appointments\" WHERE true; --"]}`,
			422, "unknown_activity"},
		{"clients of others unticked", "PATCH", sel, nil, `{"exclude":["` + theirs + `"]}`, 422, "not_a_candidate"},
		{"SQL unticked", "PATCH", sel, nil, `{"exclude":["1) OR (1=1"]}`, 422, "bad_client_id"},
		{"unticked and ticked", "PATCH", sel, nil, `{"exclude":["7"],"include":["007"]}`, 422, "contradiction"},

		merge("SQL as a source", `"1 OR 1=1"`, one, 422, "bad_client_id"),
		merge("SQL as a target", pair[1], `{"client_id":"1; DROP TABLE clients"}`, 422, "bad_client_id"),
		merge("another tenant's source", theirs, one, 422, "unknown_source"),
		merge("another tenant's target", pair[1], `{"client_id":"`+theirs+`"}`, 422, "unknown_target"),
		merge("a client into itself", pair[0], one, 422, "target_is_source"),
		merge("a client into itself, written otherwise", `"00`+pair[0]+`"`, one, 422, "target_is_source"),
		merge("into two targets", pair[1], `{"client_id":"`+pair[0]+`","anonymous":true}`, 422, "validation_failed"),
		merge("into a target twice", pair[1], `{"client_id":"`+pair[0]+`","client_id":"`+theirs+`"}`, 422, "validation_failed"),
		merge("into nobody", pair[1], `{"anonymous":false}`, 422, "validation_failed"),
		merge("more sources than allowed", strings.TrimSuffix(strings.Repeat(pair[1]+",", 1001), ","), one, 422, "validation_failed"),
		merge("a deep target", pair[1], strings.Repeat(`{"client_id":`, 5_000)+"1"+strings.Repeat("}", 5_000), 422, "validation_failed"),
		{"an erasure as a merge", "GET", "/v1/merges/" + s.job, nil, "", 404, "not_found"},
		{"a merge as an erasure", "POST", "/v1/erasures/" + s.merge + "/cancel", nil, "", 404, "not_found"},

		erase("no key", good+"}", 400, "idempotency_key_missing", "-Idempotency-Key"),
		erase("an empty key", good+"}", 400, "idempotency_key_missing", "Idempotency-Key: "),
		erase("a key with blanks", good+"}", 400, "idempotency_key_invalid", "Idempotency-Key: ' OR 1=1 --"),
		erase("a key in other letters", good+"}", 400, "idempotency_key_invalid", "Idempotency-Key: schlüssel"),
		erase("an endless key", good+"}", 400, "idempotency_key_invalid", "Idempotency-Key: "+strings.Repeat("k", 256)),
		erase("two keys", good+"}", 400, "idempotency_key_invalid", "Idempotency-Key: a", "Idempotency-Key: b"),

		get("enormous headers", "/v1/erasures", 431, "", "X-A: "+strings.Repeat("a", 64<<10)),
		get("very many headers", "/v1/erasures", 431, "", slices.Repeat([]string{"X-A: a"}, 10_000)...),
		get("an enormous path", "/v1/erasures/"+strings.Repeat("a", 64<<10), 431, ""),
		get("a token of another kind", "/v1/erasures", 401, "unauthenticated", "Authorization: Basic b3BzOm9wcw=="),
		get("an endless token", "/v1/erasures", 401, "unauthenticated", "Authorization: Bearer "+strings.Repeat("a", 16<<10)),
		get("a token in the URL", "/v1/erasures?access_token="+s.token, 401, "unauthenticated", "-Authorization"),
		get("no host", "/v1/erasures", 400, "", "-Host"),
		erase("two lengths", good+"}", 400, "", "Content-Length: 1", "Content-Length: 2"),
		erase("a length below none", good+"}", 400, "", "Content-Length: -1"),
		erase("a length and chunks", "0\r\n\r\nDELETE /v1/erasures HTTP/1.1\r\nHost: oubli\r\n\r\n", 400, "",
			"Content-Length: 5", "Transfer-Encoding: chunked"),
		erase("chunks of another coding", good+"}", 501, "", "-Content-Length", "Transfer-Encoding: gzip, chunked"),
		erase("an expectation", good+"}", 417, "", "Expect: "+personal),
		{"a method of its own", "DROP", "/v1/erasures", nil, "", 405, "method_not_allowed"},
		{"an echo", "TRACE", "/v1/erasures", nil, "", 405, "method_not_allowed"},
		{"a deletion", "DELETE", "/v1/erasures/" + s.job, nil, "", 405, "method_not_allowed"},
		{"a question of another site", "OPTIONS", "/v1/erasures",
			[]string{"Origin: https://evil.example", "Access-Control-Request-Method: POST"}, "", 405, "method_not_allowed"},
		get("another method in a header", "/v1/erasures/"+s.job, 200, "",
			"X-HTTP-Method-Override: DELETE", "X-Original-URL: /v1/selections", "X-Forwarded-Host: evil.example",
			"X-Request-Id: "+personal),
	}
}

func TestHostileRequestsAreRefusedAndChangeNothing(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	before := s.digestAll(t)
	for _, h := range s.hostilities(t) {
		resp, body := sendRaw(t, s.service.APIAddr, h.raw(s.token))
		var p struct{ Code string }
		if resp.Header.Get("Content-Type") == "application/problem+json" {
			if err := json.Unmarshal([]byte(body), &p); err != nil {
				t.Errorf("%s: %v in %.300s", h.name, err, body)
			}
		}
		if resp.StatusCode != h.want || h.code != "" && p.Code != h.code {
			t.Errorf("%s: got %d %s, want %d %s\n%.300s", h.name, resp.StatusCode, p.Code, h.want, h.code, body)
		}
		for _, told := range []string{personal, "SQLSTATE", "DROP TABLE", "goroutine", "pgx", "root:"} {
			if strings.Contains(body, told) {
				t.Errorf("%s: the answer contains %s:\n%.300s", h.name, told, body)
			}
		}
		for name := range resp.Header {
			if strings.HasPrefix(name, "Access-Control-") || name == "Set-Cookie" {
				t.Errorf("%s: header %s", h.name, name)
			}
		}
	}
	if after := s.digestAll(t); !maps.Equal(before, after) {
		t.Errorf("the database has changed:\nbefore %v\nafter  %v", before, after)
	}
	for _, told := range []string{personal, "DROP TABLE", `"level":"error"`, "panicked", s.token} {
		if strings.Contains(s.log.String(), told) {
			t.Errorf("the log has %s", told)
		}
	}
	// The digest must show the effect of an accepted request.
	status, _ := ask(t, s.service, http.MethodPatch, "/v1/selections/"+s.selection, s.token, `{"exclude": []}`, nil)
	if status != http.StatusOK || !maps.Equal(before, s.digestAll(t)) {
		t.Errorf("ticking nobody is answered %d, or changes something", status)
	}
	first := s.Strings(t, "SELECT keys[1] FROM oubli.selection_parts WHERE selection_id = $1 AND number = 0", s.selection)[0]
	status, _ = ask(t, s.service, http.MethodPatch, "/v1/selections/"+s.selection, s.token, `{"exclude": ["`+first+`"]}`, nil)
	if status != http.StatusOK || maps.Equal(before, s.digestAll(t)) {
		t.Errorf("unticking somebody is answered %d, or leaves no trace in the digest", status)
	}
}
