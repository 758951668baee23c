package mapinit

import (
	"slices"
	"strings"
)

// concept is the kind of data that a column probably contains, according to its name.
type concept int

// The concepts. If a name matches two, the first of them in this list is used, because
// missing it would be worse.
const (
	unknown concept = iota
	birth
	email
	phone
	bank
	identity
	health
	gender
	network
	portrait
	social
	address
	firstName
	lastName
	fullName
	login
	secret
	someName // of a person or of a thing
	freeText
	harmless
)

// dictionary lists the words for each concept in English, French and German, each
// written as one word without diacritics.
var dictionary = map[concept]wordSet{
	birth: setOf(`birth born birthday birthdate dateofbirth dob birthyear birthplace age
		naissance datenaissance datedenaissance lieudenaissance anniversaire
		geburtstag geburtsdatum geburtsort geboren geburt`),
	email: setOf(`email mail emailaddress mailaddress courriel adresseemail adressemail adresscourriel mel
		epost emailadresse mailadresse`),
	phone: setOf(`phone mobile telephone tel fax cell cellphone phonenumber mobilenumber mobilephone faxnumber msisdn whatsapp
		portable numerotelephone numerodetelephone telecopie
		telefon telefonnummer handy handynummer mobil mobilnummer rufnummer festnetz mobiltelefon`),
	bank: setOf(`iban bic swift bankaccount accountnumber routingnumber cardnumber creditcard lastfour accountholder cardholder sortcode
		rib comptebancaire numerodecarte cartebancaire titulaire
		kontonummer kontoinhaber bankverbindung kreditkarte kartennummer blz bankleitzahl`),
	identity: setOf(`ssn passport passportnumber nationalid nationalidnumber idcard idnumber taxid taxnumber vatnumber
		vatid driverlicense driverslicense
		insurancenumber insuranceid socialsecurity socialsecuritynumber membernumber
		passeport numerosecu numerosecuritesociale securitesociale nir cni pieceidentite numerotva
		steuernummer steuerid ausweis ausweisnummer personalausweis reisepass versichertennummer sozialversicherungsnummer ustid`),
	health: setOf(`health allergies allergy medical diagnosis injury injuries medication medications disability pregnancy
		pregnant weight height bloodtype
		sante allergie antecedents medicaux traitement poids taille blessure blessures groupesanguin handicap grossesse
		gesundheit diagnose anamnese medikamente krankheit verletzung verletzungen gewicht groesse koerpergroesse allergien schwanger`),
	gender: setOf(`gender sex pronouns nationality religion ethnicity maritalstatus salutation honorific
		genre sexe civilite nationalite etatcivil titrecivilite
		geschlecht anrede staatsangehoerigkeit nationalitaet familienstand konfession`),
	network: setOf(`ip ipaddress ipaddr remoteaddr remoteip useragent browser deviceid macaddress fingerprint cookie
		referer referrer adresseip ipadresse`),
	portrait: setOf(`photo avatar picture portrait signature selfie profilephoto profilepicture photourl avatarurl
		photographie image foto bild profilbild unterschrift`),
	social: setOf(`instagram facebook twitter linkedin tiktok snapchat telegram skype website homepage siteweb webseite`),
	address: setOf(`address street streetaddress addressline streetname housenumber zip zipcode postcode postalcode city
		town suburb neighborhood lat lng latitude longitude coordinates geolocation
		adresse rue ville codepostal cp complementadresse lignedadresse adressepostale commune
		anschrift strasse hausnummer plz postleitzahl ort wohnort stadt postanschrift`),
	firstName: setOf(`firstname givenname forename fname middlename prenom prenoms vorname vornamen rufname zweitname`),
	lastName: setOf(`lastname surname familyname lname maidenname secondname nomdefamille nomfamille nomdenaissance nomdejeunefille nomusage
		nachname familienname geburtsname zuname`),
	fullName: setOf(`fullname displayname realname nickname legalname preferredname contactname billto soldto shipto
		nomcomplet nometprenom surnom raisonsociale
		vollername vollstaendigername anzeigename spitzname kuenstlername`),
	login: setOf(`username login loginname handle userid screenname identifiant pseudo pseudonyme nomutilisateur
		benutzername anmeldename benutzer`),
	secret: setOf(`password passwordhash passworddigest encryptedpassword passwd token accesstoken refreshtoken
		resettoken secret apikey otp otpsecret pin salt session sessionid motdepasse mdp jeton passwort kennwort geheimnis`),
	someName: setOf(`name nom bezeichnung`),
	freeText: setOf(`note notes comment comments remark remarks message messages body text content contents memo memos
		observation observations feedback review answer answers reason question subject bio biography about annotation
		annotations transcript caption
		remarque remarques commentaire commentaires message corps contenu objet motif avis reponse texte
		bemerkung bemerkungen notiz notizen kommentar kommentare anmerkung anmerkungen hinweis hinweise nachricht inhalt
		betreff grund antwort freitext`),
	harmless: setOf(`status state kind type currency locale language lang timezone tz number no nr code sku color colour
		unit uom method provider slug channel gateway level role country countrycode category version format mode frequency
		interval action event class model scope visibility priority
		statut etat devise numero langue couleur unite methode pays categorie fuseauhoraire reference
		zustand art typ waehrung sprache nummer farbe einheit land kategorie zeitzone belegnummer rechnungsnummer`),
}

// persons are words for people who may be clients. A name next to such a word is
// a person's name.
var persons = setOf(`client customer patient guest member contact attendee recipient participant invitee person user
	student buyer purchaser holder payer payee subscriber visitor shopper billing billto shipto owner sender author
	emergency parent guardian
	cliente destinataire facturation invite adherent adherente membre usager eleve payeur acheteur abonne visiteur expediteur auteur
	kunde kunden kundin gast mitglied teilnehmer teilnehmerin empfaenger besteller inhaber zahler absender person
	schueler besucher rechnungsempfaenger`)

// clientWords are the words that may name a reference to the client.
var clientWords = setOf(`client customer patient guest member contact attendee recipient participant invitee person visitor
	adherent adherente membre usager eleve
	kunde kunden kundin gast mitglied teilnehmer teilnehmerin`)

// frenchHeads are harmless words that decide the meaning of a name if they are the
// first word, as in French (statut_paiement). In English names the last word decides
// (status_text).
var frenchHeads = setOf(`statut etat numero mode devise langue unite`)

// recognise returns the concept of a column's name: that of the longest match.
func recognise(name string) concept {
	list := words(name)
	best, length := unknown, 0
	for i := range list {
		for j := i + 1; j <= len(list); j++ {
			joined := strings.Join(list[i:j], "")
			for c := birth; c <= harmless; c++ {
				if c == harmless && j < len(list) && !(i == 0 && frenchHeads[joined]) {
					continue
				}
				if dictionary[c][joined] && (j-i > length || j-i == length && c < best) {
					best, length = c, j-i
				}
			}
		}
	}
	last := ""
	if len(list) > 0 {
		last = list[len(list)-1]
	}
	switch {
	case best > someName && best < harmless && dictionary[harmless][last]:
		return harmless // note_type contains the type of a note, not its text
	case best == secret && dictionary[harmless][last]:
		return harmless
	case best == unknown && len(list) <= 2 && persons[last]:
		return fullName // a text in a column named recipient
	case best == someName || best == unknown:
		return nameOf(list, best)
	case best == portrait && last == "url" && length == 1 && !slices.ContainsFunc(list, func(w string) bool { return persons[w] }):
		return portrait
	}
	return best
}

// nameOf reports whether a column contains the name of a person or of a thing, if its
// words show that: client_name, nom_du_client, Kundenname.
func nameOf(list []string, otherwise concept) concept {
	for i, w := range list {
		for _, suffix := range []string{"name", "nom"} {
			before, ok := strings.CutSuffix(w, suffix)
			if !ok {
				continue
			}
			isPerson := func(w string) bool { return persons[w] }
			if persons[before] || before == "" && (i > 0 && persons[list[i-1]] || slices.ContainsFunc(list[i+1:], isPerson)) {
				return fullName
			}
		}
	}
	return otherwise
}

// personal reports whether the concept is about a person in any table.
func (c concept) personal() bool { return c >= birth && c <= login }

// looksPersonal reports whether a table with such a column looks as if it contains
// personal data, so that the map must explain it.
func (c concept) looksPersonal() bool {
	return c.personal() && c != address && c != social && c != portrait
}

// Keys lists the words by which keys inside JSON are recognised as personal.
func personalKeys() []string {
	var list []string
	for c := birth; c <= login; c++ {
		for w := range dictionary[c] {
			list = append(list, w)
		}
	}
	for w := range dictionary[freeText] {
		list = append(list, w)
	}
	list = append(list, "name", "nom")
	slices.Sort(list)
	return slices.Compact(list)
}

// structuralKeys are common JSON keys whose values are objects.
func structuralKeys() []string {
	list := strings.Fields(`data attributes changes before after old new previous current payload meta metadata details info
		profile object record from to params value values`)
	for w := range persons {
		list = append(list, w)
	}
	slices.Sort(list)
	return slices.Compact(append(list, personalKeys()...))
}
