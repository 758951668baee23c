package mapinit

import (
	"slices"
	"strings"
	"testing"
)

func TestWordsAreFoundInEveryStyleOfName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"first_name": "first name", "firstName": "first name", "FirstName": "first name", "FIRST_NAME": "first name",
		"IPAddress": "ip address", "remoteIP": "remote ip", "address2": "address", "e-mail": "e mail",
		"Date de naissance": "date de naissance", "Prénom": "prenom", "straße": "strasse", "Größe": "groesse",
		"": "", "123": "", "_": "",
	} {
		if got := strings.Join(words(name), " "); got != want {
			t.Errorf("words(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestPersonalNamesAreRecognisedInThreeLanguages(t *testing.T) {
	t.Parallel()
	for want, names := range map[concept]string{
		firstName: "first_name firstName given_name GivenName fname middle_name prenom prénom Prenoms vorname Vorname rufname billing_first_name",
		lastName:  "last_name lastname surname FamilyName maiden_name nom_de_famille nomDeFamille nachname Familienname geburtsname",
		fullName: "full_name displayName client_name customerName guest_name billing_name nom_client nom_du_client nomComplet " +
			"kundenname Kundenname anzeigename recipient destinataire author",
		email: "email e_mail Email emailAddress billing_email contact_mail courriel adresse_email E-Mail emailadresse",
		phone: "phone mobile_phone phoneNumber tel fax whatsapp telephone téléphone numero_telephone portable telefon " +
			"Telefonnummer handynummer mobil",
		address: "address street_address addressLine1 zip zipCode postal_code city adresse rue code_postal ville anschrift " +
			"Straße hausnummer plz wohnort lat longitude",
		birth: "birth_date birthDate dob date_of_birth born_on naissance date_naissance dateDeNaissance anniversaire " +
			"geburtstag geburtsdatum Geburtsort",
		gender:   "gender sex salutation pronouns nationality civilite Civilité sexe geschlecht anrede staatsangehörigkeit",
		bank:     "iban bic account_number card_number cardholder titulaire rib kontonummer kontoinhaber bankverbindung",
		identity: "ssn passport_number taxId vat_number numero_tva numero_securite_sociale steuernummer ausweisnummer",
		health:   "allergies medical_notes injuries weight sante antecedents poids gesundheit diagnose gewicht verletzungen",
		network:  "ip ip_address ipAddress remote_addr user_agent userAgent device_id adresse_ip",
		portrait: "photo avatar avatar_url signature picture bild foto unterschrift",
		social:   "instagram facebook linkedin website",
		login:    "username login handle identifiant pseudo benutzername",
		secret:   "password password_digest encrypted_password reset_token accessToken mot_de_passe passwort",
		freeText: "note notes comment internal_comment body message remarque commentaire Bemerkung notiz kommentar subject reason status_text",
		someName: "name nom service_name Bezeichnung group_name",
		harmless: "status state note_type messageType payment_status currency locale statut devise nummer währung country " +
			"session_type statut_paiement numero_facture",
		unknown: "title service plan color_scheme event_description id price starts_at",
	} {
		for _, name := range strings.Fields(names) {
			if got := recognise(name); got != want {
				t.Errorf("recognise(%q) = %d, want %d", name, got, want)
			}
		}
	}
}

func TestNoWordStandsForTwoThings(t *testing.T) {
	t.Parallel()
	seen := map[string]concept{}
	for c := birth; c <= harmless; c++ {
		for w := range dictionary[c] {
			if before, twice := seen[w]; twice {
				t.Errorf("%q is a word of the concepts %d and %d", w, before, c)
			}
			seen[w] = c
			if w != joined(w) {
				t.Errorf("%q is not written as names are compared: %q", w, joined(w))
			}
		}
	}
}

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

func TestWhatIsAskedOfJSONIsWordsOnly(t *testing.T) {
	t.Parallel()
	all := append(personalKeys(), structuralKeys()...)
	for _, w := range all {
		if w == "" || w != joined(w) {
			t.Errorf("%q is not a word of plain letters", w)
		}
	}
	for _, w := range []string{"email", "vorname", "prenom", "name"} {
		if !slices.Contains(all, w) {
			t.Errorf("%q is not asked for", w)
		}
	}
}
