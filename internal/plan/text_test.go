package plan

import "testing"

func TestNamesAreReadWhateverTheirSpelling(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"client_id": "client_id", "clientId": "client_id", "ClientID": "client_id", "HTTPClient": "http_client",
		"client id": "client_id", "Geburtstag": "geburtstag", "address2Id": "address2_id", "ID": "id", "": "",
	} {
		if got := snake(name); got != want {
			t.Errorf("snake(%q) = %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]string{
		"clients": "client", "companies": "company", "addresses": "address", "person": "person", "boss": "boss",
	} {
		if got := singular(name); got != want {
			t.Errorf("singular(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestAnExpressionMentionsAColumnByItsWholeName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		expr, column string
		want         bool
	}{
		{"lower(email)", "email", true},
		{"lower(email_hash)", "email", false},
		{"lower(old_email) || email", "email", true},
		{`lower("eMail")`, "eMail", true},
		{`"a ""b"""`, `a "b"`, true},
		{"(clientid IS NOT NULL)", "id", false},
		{"", "id", false},
		{"ididid id", "id", true},
	} {
		if got := mentions(c.expr, c.column); got != c.want {
			t.Errorf("mentions(%q, %q) = %v", c.expr, c.column, got)
		}
	}
}

func TestOnlyAConditionThatHoldsBeforeAndAfterIsForgotten(t *testing.T) {
	t.Parallel()
	for predicate, want := range map[string]bool{
		"(client_id IS NOT NULL)":                            false,
		"((client_id IS NOT NULL) AND (state = 'x'::text))":  false,
		"((client_id IS NOT NULL) AND (client_id > 7))":      true,
		"(other_client_id IS NOT NULL)":                      false,
		"((other_client_id IS NOT NULL) OR (client_id = 7))": true,
	} {
		if got := mentions(withoutNotNull(predicate, "client_id"), "client_id"); got != want {
			t.Errorf("%s: depends on client_id: %v", predicate, got)
		}
	}
}
