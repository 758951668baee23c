package mapinit

import (
	"strings"
	"testing"
)

func TestTablesAreRecognisedByTheWordTheyTurnOn(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"client_notes": true, "ClientNote": true, "payment_methods": true, "Kundennotizen": false, "kunden_notizen": true,
		"addresses": true, "appointments": false, "push_tokens": true, "einwilligungen": true, "consentements": true,
	} {
		if got := endsIn(words(name), satelliteWords); got != want {
			t.Errorf("%s: satellite %t, want %t", name, got, want)
		}
	}
	for name, want := range map[string]bool{
		"appointments":         true,
		"check_ins":            true,
		"rendez_vous":          true,
		"Termine":              true,
		"buchungen":            true,
		"class_participations": true,
		"clients":              false,
	} {
		if got := mentions(words(name), visitWords); got != want {
			t.Errorf("%s: visit %t, want %t", name, got, want)
		}
	}
}

func TestAReferencesNameTellsItsTarget(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"client_id":         "client",
		"clientId":          "client",
		"id_client":         "client",
		"client_uuid":       "client",
		"invited_client_id": "invited client",
		"id":                "id",
		"kunde_nr":          "kunde",
	} {
		if got := strings.Join(referenceStem(name), " "); got != want {
			t.Errorf("referenceStem(%q) = %q, want %q", name, got, want)
		}
	}
}
