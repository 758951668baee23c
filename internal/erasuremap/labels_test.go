package erasuremap

import "testing"

func TestALabelSpeaksTheNearestLanguage(t *testing.T) {
	t.Parallel()
	m := &Map{Labels: map[string]map[string]string{
		UnknownClient: {"fr": "Client supprimé", "de-at": "Gelöschter Kunde"},
		"removed":     {"sv": "borttagen", "fi": "poistettu"},
	}}
	for _, c := range []struct{ label, locale, want string }{
		{UnknownClient, "fr", "Client supprimé"},
		{UnknownClient, "fr-CH", "Client supprimé"},
		{UnknownClient, "FR_ch.UTF-8", "Client supprimé"},
		{UnknownClient, "de", "Unbekannter Kunde"},
		{UnknownClient, "de-CH", "Unbekannter Kunde"},
		{UnknownClient, "de-AT-x-vienna", "Gelöschter Kunde"},
		{UnknownClient, "es", "Cliente desconocido"},
		{UnknownClient, "it-IT", "Cliente sconosciuto"},
		{UnknownClient, "nl@euro", "Onbekende klant"},
		{UnknownClient, "en-GB", "Unknown client"},
		{UnknownClient, "ja", "Unknown client"},
		{UnknownClient, "", "Unknown client"},
		{UnknownClient, "frr", "Unknown client"},
		{"removed", "sv-FI", "borttagen"},
		{"removed", "en", "poistettu"},
		{"nothing", "en", ""},
	} {
		if got := m.LabelText(c.label, c.locale); got != c.want {
			t.Errorf("LabelText(%q, %q) = %q, want %q", c.label, c.locale, got, c.want)
		}
	}
}

func TestAMapWithoutLabelsHasTheBuiltInOnes(t *testing.T) {
	t.Parallel()
	if got := new(Map).LabelText(UnknownClient, "fr-FR"); got != "Client inconnu" {
		t.Errorf("LabelText = %q, want Client inconnu", got)
	}
}
