package dictionary

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
		if got := strings.Join(Words(name), " "); got != want {
			t.Errorf("Words(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestPersonalNamesAreRecognisedInSixLanguages(t *testing.T) {
	t.Parallel()
	for want, names := range map[Concept]string{
		FirstName: "first_name firstName given_name GivenName fname middle_name prenom prénom Prenoms " +
			"vorname Vorname rufname billing_first_name",
		LastName: "last_name lastname surname FamilyName maiden_name nom_de_famille nomDeFamille nachname Familienname geburtsname",
		FullName: "full_name displayName client_name customerName guest_name billing_name nom_client nom_du_client nomComplet " +
			"kundenname Kundenname anzeigename recipient destinataire author",
		Email: "email e_mail Email emailAddress billing_email contact_mail courriel adresse_email E-Mail emailadresse",
		Phone: "phone mobile_phone phoneNumber tel fax whatsapp telephone téléphone numero_telephone portable telefon " +
			"Telefonnummer handynummer mobil",
		Address: "address street_address addressLine1 zip zipCode postal_code city adresse rue code_postal ville anschrift " +
			"Straße hausnummer plz wohnort lat longitude",
		Birth: "birth_date birthDate dob date_of_birth born_on naissance date_naissance dateDeNaissance anniversaire " +
			"geburtstag geburtsdatum Geburtsort",
		Gender:   "gender sex salutation pronouns nationality civilite Civilité sexe geschlecht anrede staatsangehörigkeit",
		Bank:     "iban bic account_number card_number cardholder titulaire rib kontonummer kontoinhaber bankverbindung",
		Identity: "ssn passport_number taxId vat_number numero_tva numero_securite_sociale steuernummer ausweisnummer",
		Health:   "allergies medical_notes injuries weight sante antecedents poids gesundheit diagnose gewicht verletzungen",
		Network:  "ip ip_address ipAddress remote_addr user_agent userAgent device_id adresse_ip",
		Portrait: "photo avatar avatar_url signature picture bild foto unterschrift",
		Social:   "instagram facebook linkedin website",
		Login:    "username login handle identifiant pseudo benutzername",
		Secret:   "password password_digest encrypted_password reset_token accessToken mot_de_passe passwort",
		FreeText: "note notes comment internal_comment body message remarque commentaire Bemerkung notiz kommentar " +
			"subject reason status_text",
		SomeName: "name nom service_name Bezeichnung group_name",
		Harmless: "status state note_type messageType payment_status currency locale statut devise nummer währung country " +
			"session_type statut_paiement numero_facture",
		Unknown: "title service plan color_scheme event_description id price starts_at",
	} {
		for _, name := range strings.Fields(names) {
			if got := Recognise(name); got != want {
				t.Errorf("Recognise(%q) = %d, want %d", name, got, want)
			}
		}
	}
}

func TestSpanishItalianAndDutchNamesAreRecognised(t *testing.T) {
	t.Parallel()
	for want, names := range map[Concept]string{
		FirstName: "nombre_de_pila voornaam Roepnaam tussenvoegsel",
		LastName:  "apellidos primer_apellido cognome Achternaam familienaam",
		FullName:  "nombre_completo nombre_cliente nome_cliente Klantnaam klant_naam ragione_sociale destinatario ontvanger",
		Email:     "correo_electronico correo email_adres postaElettronica",
		Phone:     "telefono numero_de_telefono movil cellulare Telefoonnummer mobiel",
		Address:   "direccion código_postal ciudad indirizzo città comune straat Huisnummer woonplaats",
		Birth:     "fecha_nacimiento fecha_de_nacimiento data_di_nascita dataNascita geboortedatum Geboorteplaats leeftijd edad",
		Gender:    "sexo nacionalidad sesso cittadinanza geslacht aanhef",
		Bank:      "cuenta_bancaria numero_tarjeta intestatario rekeningnummer",
		Identity:  "dni nif codice_fiscale partita_iva bsn rijbewijsnummer nhs_number licence_no",
		Health:    "alergias enfermedad allergie malattia infortuni ziekte bloedgroep",
		FreeText:  "observaciones notas commenti osservazioni opmerking notities",
		Harmless:  "estado tipo_pago moneda stato valuta soort taal estado_pago",
		SomeName:  "nombre nome naam denominacion",
	} {
		for _, name := range strings.Fields(names) {
			if got := Recognise(name); got != want {
				t.Errorf("Recognise(%q) = %d, want %d", name, got, want)
			}
		}
	}
}

func TestAReferenceToAClientIsRecognisedByItsName(t *testing.T) {
	t.Parallel()
	for _, name := range strings.Fields(`customer customer_id customerId customers_ids id_cliente guest_uuid
		invited_guest_id kunde_nr klantId paciente_id members person`) {
		if !NamesClient(name) {
			t.Errorf("%s names a client", name)
		}
	}
	for _, name := range strings.Fields("customer_name guest_count id order_id member_since contacted_at") {
		if NamesClient(name) {
			t.Errorf("%s names no client", name)
		}
	}
}

func TestAnAmountAndATimeOfTheApplicationAreHarmless(t *testing.T) {
	t.Parallel()
	for _, name := range strings.Fields(`price_cents montant_total Anzahl importe quantita aantal
		invoice_number id session_id phone_calls total max_guests nb_places`) {
		if !IsMeasure(name) {
			t.Errorf("%s is a measure", name)
		}
	}
	for _, name := range strings.Fields(`national_id nhs_number licence_no external_ref x
		lat_e7 age whatsapp visitor_id telefon_nummer`) {
		if IsMeasure(name) {
			t.Errorf("%s may be a person's number", name)
		}
	}
	for _, name := range strings.Fields(`created_at createdAt due_date Rechnungsdatum fecha_inicio data_scadenza
		vervaldatum at date last_updated_on date_echeance invoiceDate`) {
		if !IsEvent(name) {
			t.Errorf("%s is a time of the application", name)
		}
	}
	for _, name := range strings.Fields(`birth_date dateofbirth wedding_date deceased_on
		fecha_nacimiento geboorteDatum last_login_at Sterbedatum`) {
		if IsEvent(name) {
			t.Errorf("%s may be a day of a person's life", name)
		}
	}
}

func TestNoWordStandsForTwoThings(t *testing.T) {
	t.Parallel()
	seen := map[string]Concept{}
	for c := Birth; c <= Harmless; c++ {
		for w := range conceptWords[c] {
			if before, twice := seen[w]; twice {
				t.Errorf("%q is a word of the concepts %d and %d", w, before, c)
			}
			seen[w] = c
			if w != Joined(w) {
				t.Errorf("%q is not written as names are compared: %q", w, Joined(w))
			}
		}
	}
}

func TestWhatIsAskedOfJSONIsWordsOnly(t *testing.T) {
	t.Parallel()
	all := append(PersonalKeys(), StructuralKeys()...)
	for _, w := range all {
		if w == "" || w != Joined(w) {
			t.Errorf("%q is not a word of plain letters", w)
		}
	}
	for _, w := range []string{"email", "vorname", "prenom", "name"} {
		if !slices.Contains(all, w) {
			t.Errorf("%q is not asked for", w)
		}
	}
}
