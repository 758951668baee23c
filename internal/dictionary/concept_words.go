package dictionary

// conceptWords lists the words for each concept, one language after the other
// (English, French, German, Spanish, Italian, Dutch), each written as one word
// without diacritics.
var conceptWords = map[Concept]Set{
	Birth: SetOf(`birth born birthday birthdate dateofbirth dob birthyear birthplace age anniversary deceased died death deathdate
		naissance datenaissance datedenaissance lieudenaissance anniversaire deces datedeces
		geburtstag geburtsdatum geburtsort geboren geburt geburtsjahr verstorben sterbedatum
		nacimiento fechanacimiento fechadenacimiento lugardenacimiento cumpleanos edad fallecimiento fallecido
		nascita datanascita datadinascita luogodinascita compleanno eta decesso
		geboorte geboortedatum geboorteplaats geboortejaar verjaardag leeftijd overleden overlijdensdatum`),
	Email: SetOf(`email mail emailaddress mailaddress courriel adresseemail adressemail adresscourriel mel
		epost emailadresse mailadresse
		correo correoelectronico direcciondecorreo
		postaelettronica pec indirizzoemail indirizzomail
		emailadres mailadres`),
	Phone: SetOf(`phone mobile telephone tel fax cell cellphone phonenumber mobilenumber mobilephone faxnumber msisdn whatsapp
		phoneno contactno contactnumber
		portable numerotelephone numerodetelephone telecopie
		telefon telefonnummer handy handynummer mobil mobilnummer rufnummer festnetz mobiltelefon
		telefono movil celular numerodetelefono numerotelefono
		cellulare numeroditelefono recapitotelefonico
		telefoon telefoonnummer mobiel mobielnummer gsm`),
	Bank: SetOf(`iban bic swift bankaccount accountnumber accountno routingnumber cardnumber cardno creditcard lastfour cardlast
		accountholder cardholder sortcode
		rib comptebancaire numerodecarte cartebancaire titulaire
		kontonummer kontoinhaber bankverbindung kreditkarte kartennummer blz bankleitzahl
		cuentabancaria numerodecuenta numerocuenta tarjeta numerodetarjeta titular
		contocorrente numerodicarta numerocarta cartadicredito intestatario
		rekeningnummer bankrekening rekeninghouder kaartnummer tenaamstelling`),
	Identity: SetOf(`ssn passport passportnumber passportno nationalid nationalidnumber idcard idnumber taxid taxnumber taxno
		vatnumber vatno vatid driverlicense driverslicense drivinglicence licenceno licencenumber licenseno licensenumber nhs nhsnumber
		insurancenumber insuranceno insuranceid socialsecurity socialsecuritynumber membernumber memberno
		passeport numerosecu numerosecuritesociale securitesociale nir cni pieceidentite numerotva permisconduire
		steuernummer steuerid ausweis ausweisnummer personalausweis reisepass versichertennummer sozialversicherungsnummer ustid
		fuehrerschein fuehrerscheinnummer mitgliedsnummer
		dni nif nie cif cedula pasaporte seguridadsocial numeroseguridadsocial numerodesocio
		codicefiscale partitaiva passaporto tesserasanitaria cartadidentita numerotessera
		bsn burgerservicenummer rijksregisternummer paspoort paspoortnummer rijbewijs rijbewijsnummer btwnummer lidnummer`),
	Health: SetOf(`health allergies allergy medical diagnosis injury injuries medication medications disability pregnancy
		pregnant weight height bloodtype bmi
		sante allergie antecedents medicaux traitement poids taille blessure blessures groupesanguin handicap grossesse
		gesundheit diagnose anamnese medikamente krankheit verletzung verletzungen gewicht groesse koerpergroesse allergien schwanger
		salud alergia alergias diagnostico lesion lesiones medicacion medicamentos discapacidad embarazo embarazada peso estatura
		gruposanguineo enfermedad enfermedades
		salute diagnosi lesioni infortunio infortuni farmaci disabilita gravidanza incinta altezza grupposanguigno malattia malattie
		gezondheid allergieen medicatie medicijnen ziekte ziekten zwanger lichaamslengte bloedgroep`),
	Gender: SetOf(`gender sex pronouns nationality religion ethnicity maritalstatus salutation honorific
		genre sexe civilite nationalite etatcivil titrecivilite
		geschlecht anrede staatsangehoerigkeit nationalitaet familienstand konfession
		sexo genero nacionalidad estadocivil etnia
		sesso genere nazionalita cittadinanza statocivile religione
		geslacht aanhef nationaliteit burgerlijkestaat geloof`),
	Network: SetOf(`ip ipaddress ipaddr remoteaddr remoteip useragent browser deviceid mac macaddress fingerprint cookie
		referer referrer adresseip ipadresse
		direccionip navegador indirizzoip ipadres`),
	Portrait: SetOf(`photo avatar picture portrait signature selfie profilephoto profilepicture photourl avatarurl
		photographie image foto bild profilbild unterschrift
		fotografia imagen firma immagine ritratto afbeelding pasfoto handtekening`),
	Social: SetOf(`instagram facebook twitter linkedin tiktok snapchat telegram skype website homepage siteweb webseite
		sitioweb paginaweb sitoweb`),
	Address: SetOf(`address street streetaddress addressline streetname housenumber zip zipcode postcode postalcode city
		town suburb neighborhood lat lng lon latitude longitude latlng coordinates geo geolocation
		adresse rue ville codepostal cp complementadresse lignedadresse adressepostale commune
		anschrift strasse hausnummer plz postleitzahl ort wohnort stadt postanschrift breitengrad laengengrad
		direccion calle codigopostal ciudad municipio localidad poblacion domicilio latitud longitud
		indirizzo codicepostale citta comune localita residenza latitudine longitudine numerocivico
		adres straat straatnaam huisnummer woonplaats gemeente breedtegraad lengtegraad`),
	FirstName: SetOf(`firstname givenname forename fname middlename prenom prenoms vorname vornamen rufname zweitname
		nombredepila primernombre segundonombre secondonome voornaam voornamen roepnaam tussenvoegsel voorletters`),
	LastName: SetOf(`lastname surname familyname lname maidenname secondname nomdefamille nomfamille nomdenaissance nomdejeunefille nomusage
		nachname familienname geburtsname zuname
		apellido apellidos primerapellido segundoapellido apellidopaterno apellidomaterno
		cognome cognomi achternaam familienaam meisjesnaam geboortenaam`),
	FullName: SetOf(`fullname displayname realname nickname legalname preferredname contactname billto soldto shipto
		nomcomplet nometprenom surnom raisonsociale
		vollername vollstaendigername anzeigename spitzname kuenstlername
		nombrecompleto nombreyapellidos apodo razonsocial
		nomecompleto nomeecognome soprannome ragionesociale nominativo
		volledigenaam weergavenaam bijnaam`),
	Login: SetOf(`username login loginname handle userid screenname identifiant pseudo pseudonyme nomutilisateur
		benutzername anmeldename benutzer
		nombreusuario nombredeusuario nomeutente gebruikersnaam inlognaam`),
	Secret: SetOf(`password passwordhash passworddigest encryptedpassword passwd token accesstoken refreshtoken
		resettoken secret apikey otp otpsecret pin salt session sessionid motdepasse mdp jeton passwort kennwort geheimnis
		contrasena parolachiave wachtwoord`),
	SomeName: SetOf(`name nom bezeichnung nombre denominacion nome denominazione naam benaming`),
	FreeText: SetOf(`note notes comment comments remark remarks message messages body text content contents memo memos
		observation observations feedback review answer answers reason question subject bio biography about annotation
		annotations transcript caption
		remarque remarques commentaire commentaires message corps contenu objet motif avis reponse texte
		bemerkung bemerkungen notiz notizen kommentar kommentare anmerkung anmerkungen hinweis hinweise nachricht inhalt
		betreff grund antwort freitext
		nota notas comentario comentarios observacion observaciones mensaje mensajes texto contenido motivo asunto
		respuesta respuestas biografia
		commento commenti osservazione osservazioni messaggio messaggi testo contenuto oggetto risposta risposte
		annotazione annotazioni promemoria
		notitie notities opmerking opmerkingen aantekening aantekeningen bericht berichten tekst inhoud reden onderwerp
		antwoord antwoorden toelichting`),
	Harmless: SetOf(`status state kind type currency locale language lang timezone tz number no nr code sku color colour
		unit uom method provider slug channel gateway level role country countrycode category version format mode frequency
		interval action event class model scope visibility priority
		statut etat devise numero langue couleur unite methode pays categorie fuseauhoraire reference
		zustand art typ waehrung sprache nummer farbe einheit land kategorie zeitzone belegnummer rechnungsnummer
		estado tipo moneda divisa idioma codigo unidad metodo pais categoria zonahoraria referencia canal nivel rol prioridad
		stato valuta lingua codice colore unita paese fusoorario riferimento canale livello ruolo versione priorita
		soort taal kleur eenheid tijdzone kenmerk kanaal niveau versie prioriteit factuurnummer`),
}

// Persons are words for people who may be clients. A name next to such a word is
// a person's name.
var Persons = SetOf(`client customer patient guest member contact attendee recipient participant invitee person user
	student buyer purchaser holder payer payee subscriber visitor shopper billing billto shipto owner sender author
	emergency parent guardian
	cliente destinataire facturation invite adherent adherente membre usager eleve payeur acheteur abonne visiteur expediteur auteur
	kunde kunden kundin gast mitglied teilnehmer teilnehmerin empfaenger besteller inhaber zahler absender person
	schueler besucher rechnungsempfaenger
	clienta paciente huesped miembro socio socia contacto destinatario participante invitado invitada persona usuario usuaria
	alumno alumna comprador titular suscriptor visitante remitente autor
	paziente ospite membro contatto partecipante invitato utente allievo studente acquirente intestatario abbonato visitatore
	mittente autore
	klant lid ontvanger deelnemer genodigde persoon gebruiker leerling koper houder abonnee bezoeker afzender`)

// Clients are the words that may name a reference to the client.
var Clients = SetOf(`client customer patient guest member contact attendee recipient participant invitee person visitor
	adherent adherente membre usager eleve
	kunde kunden kundin gast mitglied teilnehmer teilnehmerin
	cliente clienta paciente huesped miembro socio socia contacto participante invitado persona alumno alumna
	paziente ospite membro contatto partecipante invitato allievo
	klant lid deelnemer genodigde persoon bezoeker leerling`)

// heads are harmless words that decide the meaning of a name if they are the first
// word, as in Romance languages (statut_paiement). In English names the last word
// decides (status_text).
var heads = SetOf(`statut etat numero mode devise langue unite
	estado tipo codigo moneda idioma categoria metodo referencia
	stato codice valuta lingua riferimento`)
