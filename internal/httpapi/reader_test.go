package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/oubli/oubli/jobs"
)

func TestHostileBodiesAreRefusedByPlaceAndNeverQuoted(t *testing.T) {
	t.Parallel()
	b := newTestAPI(t)
	token := mustToken(t, "studio", jobs.Admin)
	ids := func(s string) string { return `{"reason":"inactivity","client_ids":` + s + `}` }
	and := func(s string) string { return `{"reason":"inactivity","client_ids":["a"],` + s + `}` }
	year := time.Now().AddDate(1, 0, 3).Format(time.RFC3339)

	for _, c := range []struct {
		name, body, want string // want: code, or code pointer of the first fault
	}{
		{"not JSON", marker, "malformed_json"},
		{"cut off", `{"client_ids":["` + marker, "malformed_json"},
		{"two values", goodBody + goodBody, "malformed_json"},
		{"trailing comma", `{"reason":"inactivity",}`, "malformed_json"},
		{"comments", `{/* ` + marker + ` */}`, "malformed_json"},
		{"single quotes", `{'reason':'` + marker + `'}`, "malformed_json"},
		{"not UTF-8", and(`"comment":"` + marker + "\xff" + `"`), "malformed_json"},
		{"raw control character", and(`"comment":"` + "\x00" + `"`), "malformed_json"},
		{"deeper than anybody needs", strings.Repeat("[", 100_000), "malformed_json"},
		{"deep and whole", ids(strings.Repeat("[", 5_000) + strings.Repeat("]", 5_000)), "wrong_type /client_ids/0"},
		{"NaN", ids(`[NaN]`), "malformed_json"},
		{"hexadecimal", ids(`[0x10]`), "malformed_json"},
		{"leading zero", ids(`[007]`), "malformed_json"},
		{"plus", ids(`[+1]`), "malformed_json"},

		{"an array", `["` + marker + `"]`, "wrong_type "},
		{"a string", `"` + marker + `"`, "wrong_type "},
		{"null", `null`, "wrong_type "},
		{"nothing in it", `{}`, "required /reason"},
		{"neither clients nor a selection", `{"reason":"inactivity"}`, "required /client_ids"},
		{"clients and a selection",
			`{"reason":"inactivity","client_ids":[1],"selection_id":"0199b4a2-7c1e-7d53-9a1f-00000000abcd","expected_count":1}`,
			"contradiction /selection_id"},
		{"a selection without its count",
			`{"reason":"inactivity","selection_id":"0199b4a2-7c1e-7d53-9a1f-00000000abcd"}`, "required /expected_count"},
		{"a count without a selection", `{"reason":"inactivity","client_ids":[1],"expected_count":1}`, "contradiction /expected_count"},
		{"a selection that is no id", `{"reason":"inactivity","selection_id":"' OR 1=1","expected_count":1}`, "bad_value /selection_id"},
		{"a count with a fraction",
			`{"reason":"inactivity","selection_id":"0199b4a2-7c1e-7d53-9a1f-00000000abcd","expected_count":1.5}`,
			"bad_value /expected_count"},
		{"unknown field", and(`"` + marker + `":1`), "unknown_field "},
		{"unknown field with a deep value", and(`"x":{"y":[{"z":[1,2,{"` + marker + `":3}]}]}`), "unknown_field "},
		{"another case", `{"Reason":"inactivity","client_ids":["a"]}`, "unknown_field "},
		{"Unicode's long s", `{"rea\u017fon":"inactivity","client_ids":["a"]}`, "unknown_field "},
		{"the same field twice", and(`"client_ids":["b"]`), "duplicate_field /client_ids"},
		{"the same field twice, once in escapes", and(`"client\u005fids":["b"]`), "duplicate_field /client_ids"},
		{"a field of a later version", and(`"dryrun":true`), "unknown_field "},

		{"no clients", ids(`[]`), "too_few /client_ids"},
		{"clients as an object", ids(`{"` + marker + `":1}`), "wrong_type /client_ids"},
		{"clients as a string", ids(`"` + marker + `"`), "wrong_type /client_ids"},
		{"clients null", ids(`null`), "wrong_type /client_ids"},
		{"fraction", ids(`["a",1.5]`), "wrong_type /client_ids/1"},
		{"whole fraction", ids(`[1.0]`), "wrong_type /client_ids/0"},
		{"exponent", ids(`["a","b",1e3]`), "wrong_type /client_ids/2"},
		{"more than 64 bits", ids(`[9223372036854775808]`), "wrong_type /client_ids/0"},
		{"a number of a million digits", ids(`[1` + strings.Repeat("0", 1_000_000) + `]`), "wrong_type /client_ids/0"},
		{"true", ids(`[true]`), "wrong_type /client_ids/0"},
		{"null among ids", ids(`["a",null]`), "wrong_type /client_ids/1"},
		{"object among ids", ids(`["a",{"id":"` + marker + `"},1.5]`), "wrong_type /client_ids/1"},
		{"empty id", ids(`[""]`), "bad_value /client_ids/0"},
		{"long id", ids(`["` + strings.Repeat("é", 128) + `"]`), "bad_value /client_ids/0"},
		{"NUL in an id", ids(`["` + marker + `\u0000"]`), "bad_value /client_ids/0"},
		{"line break in an id", ids(`["` + marker + `\n"]`), "bad_value /client_ids/0"},
		{"half a character in an id", ids(`["` + marker + `\ud800"]`), "bad_value /client_ids/0"},

		{"no reason", `{"client_ids":["a"]}`, "required /reason"},
		{"another reason", `{"client_ids":["a"],"reason":"` + marker + `"}`, "bad_value /reason"},
		{"reason null", `{"client_ids":["a"],"reason":null}`, "wrong_type /reason"},
		{"reason as a number", `{"client_ids":["a"],"reason":1}`, "wrong_type /reason"},
		{"long comment", and(`"comment":"` + strings.Repeat("é", jobs.MaxComment+1) + `"`), "bad_value /comment"},
		{"NUL in a comment", and(`"comment":"` + marker + `\u0000"`), "bad_value /comment"},
		{"comment null", and(`"comment":null`), "wrong_type /comment"},
		{"notify as a string", and(`"notify":"a@b.example"`), "wrong_type /notify"},
		{"no address", and(`"notify":["a@b.example","` + marker + `"]`), "bad_value /notify/1"},
		{"a header in an address", and(`"notify":["a@b.example\r\nBcc: ` + marker + `@b.example"]`), "bad_value /notify/0"},
		{"a name with an address", and(`"notify":["` + marker + ` <a@b.example>"]`), "bad_value /notify/0"},
		{"half a character in an address", and(`"notify":["` + marker + `\ud800@b.example"]`), "bad_value /notify/0"},
		{"two in one", and(`"notify":["a@b.example,` + marker + `@b.example"]`), "bad_value /notify/0"},
		{"too many", and(`"notify":[` + strings.Repeat(`"a@b.example",`, 20) + `"c@b.example"]`), "too_many /notify"},
		{"no locale", and(`"locale":"` + marker + `!"`), "bad_value /locale"},
		{"empty locale", and(`"locale":""`), "bad_value /locale"},
		{"endless locale", and(`"locale":"fr` + strings.Repeat("-aaaaaaaa", 10_000) + `"`), "bad_value /locale"},
		{"a date", and(`"not_before":"2026-01-01"`), "bad_value /not_before"},
		{"a time without a zone", and(`"not_before":"2026-01-01T00:00:00"`), "bad_value /not_before"},
		{"no such day", and(`"not_before":"2026-02-30T00:00:00Z"`), "bad_value /not_before"},
		{"seconds since 1970", and(`"not_before":1767225600`), "wrong_type /not_before"},
		{"more than a year ahead", and(`"not_before":"` + year + `"`), "bad_value /not_before"},
		{"guard with a control character", and(`"override":["` + marker + `\u0007"]`), "bad_value /override/0"},
		{"tenant with NUL", and(`"tenant_id":"` + marker + `\u0000"`), "bad_value /tenant_id"},
		{"tenant as a number", and(`"tenant_id":7`), "wrong_type /tenant_id"},
	} {
		a := b.ask(t, "POST", "/v1/erasures", token, c.body, "Idempotency-Key: k", "Content-Type: application/json")
		p := a.problem(t)
		got, status := p.Code, http.StatusBadRequest
		if len(p.Errors) > 0 {
			got, status = p.Errors[0].Code+" "+p.Errors[0].Pointer, http.StatusUnprocessableEntity
		}
		if got != c.want || a.StatusCode != status {
			t.Errorf("%s: got %d %s, want %s\n%s", c.name, a.StatusCode, got, c.want, a.body)
		}
	}
	if len(b.store.requests) > 0 {
		t.Errorf("accepted: %+v", b.store.requests)
	}
}

func TestAllMistakesAreReportedAtOnceUpToTwenty(t *testing.T) {
	t.Parallel()
	var r erasureRequest
	p := readBody([]byte(`{"reason":"x","client_ids":[true,null,1.5],"locale":5,"nix":1}`), r.fields(), nil)
	var got []string
	for _, f := range p.Errors {
		got = append(got, f.Code+" "+f.Pointer)
	}
	want := []string{
		"bad_value /reason", "wrong_type /client_ids/0", "wrong_type /client_ids/1", "wrong_type /client_ids/2",
		"wrong_type /locale", "unknown_field ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	p = readBody([]byte(`{"client_ids":[`+strings.Repeat("true,", 50_000)+`true],"nix":1}`), r.fields(), nil)
	if len(p.Errors) != maxFaults {
		t.Errorf("got %d", len(p.Errors))
	}
}

func TestTheFieldsReadAreTheFieldsDocumented(t *testing.T) {
	t.Parallel()
	var r erasureRequest
	fields := r.fields()
	typ := reflect.TypeFor[erasureRequest]()
	documented := 0
	for i := range typ.NumField() {
		name, options, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
		if name == "" {
			continue
		}
		documented++
		f, ok := fields[name]
		if !ok || f.required != (options == "") {
			t.Errorf("%s is documented with options %q, and read: %v, required: %v", name, options, ok, f.required)
		}
	}
	if documented != len(fields) {
		t.Errorf("%d fields are documented, %d are read", documented, len(fields))
	}
}

// FuzzReadErasureRequest compares the strict reader with encoding/json: both must
// read the same values from an accepted body, and these must be within the limits.
func FuzzReadErasureRequest(f *testing.F) {
	for _, s := range []string{
		goodBody,
		`{"client_ids":[1,"b"],"reason":"inactivity","notify":["a@b.example"],"locale":"fr",` +
			`"not_before":"2026-01-01T00:00:00Z","comment":"c","override":["g"],"tenant_id":"t"}`,
		`{"client_ids":["a"],"client_ids":["b"],"reason":"inactivity"}`, `{"reason":"inactivity","client_ids":[1.0]}`,
		`[[[[`, `{"a":{"b":[{}]}}`, `{"reason":1e999}`, "{\"comment\":\"\xff\"}",
		`{"client_ids":["\ud800"],"reason":"inactivity"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var r erasureRequest
		if p := readBody(data, r.fields(), nil); p != nil {
			if p.Status != 400 && p.Status != 422 || p.Status == 422 && len(p.Errors) == 0 || len(p.Errors) > maxFaults {
				t.Fatalf("%q: %+v", data, p)
			}
			return
		}
		var plain struct {
			ClientIDs []any       `json:"client_ids"`
			Reason    jobs.Reason `json:"reason"`
			Comment   string      `json:"comment"`
			TenantID  string      `json:"tenant_id"`
			Notify    []string    `json:"notify"`
		}
		dec := json.NewDecoder(strings.NewReader(string(data)))
		dec.UseNumber()
		if err := dec.Decode(&plain); err != nil {
			t.Fatalf("%q is accepted, but %v", data, err)
		}
		if plain.Reason != r.Reason || plain.Comment != r.Comment || plain.TenantID != r.TenantID || len(plain.ClientIDs) != len(r.ClientIDs) {
			t.Fatalf("%q is read as %+v, by encoding/json as %+v", data, r, plain)
		}
		for i, id := range r.ClientIDs {
			if want := fmt.Sprint(plain.ClientIDs[i]); id != want && want != "-0" {
				t.Fatalf("%q: client %d is %q, by encoding/json %q", data, i, id, want)
			}
			if id == "" || len(id) > jobs.MaxKeyLength || !storable(id) {
				t.Fatalf("%q: client %d is %q", data, i, id)
			}
		}
		for _, a := range r.Notify {
			if strings.ContainsAny(a, "\r\n") || !bareAddress(a) {
				t.Fatalf("%q: would notify %q", data, a)
			}
		}
		if utf8.RuneCountInString(r.Comment) > jobs.MaxComment || strings.Contains(r.Comment, "\x00") || !storable(r.TenantID) {
			t.Fatalf("%q is read as %+v", data, r)
		}
	})
}
