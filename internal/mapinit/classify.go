package mapinit

import (
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/dictionary"
	"github.com/oubli/oubli/internal/plan"
)

// Words in table names, singular (Italian and Dutch also plural), in English, French,
// German, Spanish, Italian and Dutch.
var (
	historyWords = setOf(`audit audits history histories log logs auditlog auditlogs version versions trail journal
		changelog changes revision revisions outbox inbox queue webhook webhooks
		historique historiques protokoll protokolle verlauf historie aenderungen
		historial bitacora storico cronologia geschiedenis logboek wijzigingen`)
	satelliteWords = setOf(`note consent token device message notification preference photo picture comment review
		document login push newsletter email phone address tag
		file attachment waiver form response survey feedback favorite favourite cart search verification credential identity reminder sms
		card paymentmethod guardian emergencycontact measurement assessment avatar setting bookmark wishlist otp mandate
		passwordreset optin campaignrecipient
		consentement jeton appareil preference adresse favori panier commentaire relance remarque mandat
		notiz einwilligung geraet nachricht einstellung dokument adresse favorit warenkorb erinnerung benachrichtigung
		bemerkung lastschriftmandat
		nota consentimiento dispositivo mensaje preferencia direccion favorito carrito comentario recordatorio
		consenso messaggio messaggi preferenza indirizzo indirizzi preferito carrello commento promemoria
		notitie toestemming apparaat bericht berichten voorkeur voorkeuren adres favoriet winkelwagen opmerking herinnering`)
	visitWords = setOf(`appointment booking participation attendance visit checkin reservation lesson class course
		workout treatment consultation event
		registration enrollment enrolment signup attendee waitlist waitinglist rental
		rendezvous rdv seance cours inscription presence visite soin
		termin buchung teilnahme anwesenheit besuch kurs stunde behandlung anmeldung belegung warteliste
		cita reserva sesion clase inscripcion asistencia visita
		appuntamento appuntamenti prenotazione prenotazioni seduta lezione lezioni iscrizione presenza
		afspraak afspraken boeking boekingen sessie les inschrijving aanwezigheid bezoek`)
	moneyWords = setOf(`invoice payment order sale transaction refund receipt creditnote voucher giftcard charge payout
		ledger commission tip purchase checkout deposit
		facture paiement commande vente remboursement avoir boncadeau encaissement acompte
		rechnung zahlung bestellung verkauf erstattung gutschrift gutschein quittung beleg umsatz anzahlung
		factura pago pedido venta reembolso recibo
		fattura fatture pagamento pagamenti ordine ordini vendita rimborso ricevuta
		factuur facturen betaling betalingen bestelling bestellingen verkoop terugbetaling bon`)
	contractWords = setOf(`membership subscription contract pass package plan
		abonnement contrat forfait adhesion
		mitgliedschaft vertrag abo`)
	valueWords   = setOf(`voucher giftcard credit pass package wallet deposit boncadeau acompte forfait gutschein guthaben anzahlung`)
	invoiceWords = setOf(`invoice creditnote receipt bill facture avoir rechnung gutschrift quittung beleg
		factura recibo fattura fatture ricevuta factuur facturen`)
	sessionWords = setOf(`session sitzung`)
	consentWords = setOf(`consent optin consentement einwilligung`)
	staffWords   = setOf(`staff employee trainer teacher instructor coach practitioner provider resource personnel
		employe salarie formateur moniteur praticien mitarbeiter trainerin lehrer therapeut angestellte
		empleado profesor dipendente insegnante istruttore medewerker leraar docent`)
	accountWords = setOf(`user account login utilisateur compte benutzer konto usuario cuenta utente utenti gebruiker gebruikers`)
	ownedWords   = setOf(`profile person individual location place identite personne coordonnees profil`)
	amountWords  = setOf(`amount price total subtotal cents paid fee cost tax vat net gross quantity qty montant prix tva
		quantite ttc ht betrag preis summe mwst gebuehr menge`)
	startWords = setOf(`starts start startsat startat startson startdate starttime startedat begins beginsat begin
		scheduledat scheduledfor scheduledon bookedfor occursat visitedat checkedinat attendedat date day
		debut datedebut debutle jour
		beginn startzeit datum termin tag`)
	issuedWords = setOf(`issuedon issuedat issuedate invoicedate invoicedon billedat billedon dateofissue documentdate
		datefacture datefacturation dateemission emisele rechnungsdatum belegdatum ausgestelltam`)
)

// endsIn reports whether the last word of a table's name, or its last two words
// written as one, are in the set.
func endsIn(list []string, set wordSet) bool {
	one := singular(list)
	n := len(one)
	if n == 0 {
		return false
	}
	if set[one[n-1]] || n > 1 && set[one[n-2]+one[n-1]] {
		return true
	}
	for w := range set { // compound words: postaladdress, Kundennotiz
		if len(w) >= 5 && strings.HasSuffix(one[n-1], w) {
			return true
		}
	}
	return false
}

// classify proposes an action for rows that refer to the client.
func (p *proposal) classify(e *rows) {
	r, list := e.rel, words(e.rel.Name)
	keepNumbers := func(why string) {
		e.erase, e.why = reassign, why
		e.carries = mentions(list, valueWords)
	}
	switch {
	case among(list, historyWords):
		e.erase, e.why = erase, "a history stores old values"
	case mentions(list, sessionWords) && start(r) == "":
		e.erase = erase
	case endsIn(list, consentWords):
		e.erase, e.merge = erase, erase
		e.why = "consent belongs to one profile"
	case endsIn(list, satelliteWords):
		e.erase = erase
	case endsIn(list, contractWords):
		e.erase, e.why = todo, "reassign if reports or the law need it, else delete"
	case endsIn(list, visitWords), endsIn(list, moneyWords), mentions(list, visitWords), mentions(list, moneyWords):
		keepNumbers("reports count these rows")
	case mentions(list, satelliteWords):
		e.erase = erase
	case joinTable(r):
		e.erase, e.why = erase, "only joins two tables"
	case start(r) != "" || hasAmounts(r):
		e.erase, e.why = todo, "reassign if reports count these rows, else delete"
	default:
		e.erase, e.why = todo, e.actions()
	}
	if e.erase == reassign && oneEach(r, e.reference) {
		e.erase, e.why = todo, "unique, one row per client: "+e.actions()
	}
}

// actions lists what can become of rows that refer to the client directly.
func (e *rows) actions() string {
	list := []string{"delete"}
	if !oneEach(e.rel, e.reference) {
		list = append(list, "reassign (to the anonymous profile)")
	}
	if !e.rel.Column(e.reference).NotNull {
		list = append(list, "unlink")
	}
	return strings.Join(list, " or ")
}

// oneEach reports whether a client can have at most one row of the relation.
func oneEach(r *plan.Relation, reference string) bool {
	return slices.ContainsFunc(r.Indexes, func(x plan.Index) bool {
		return x.Unique && len(x.Keys) == 1 && !x.Expression[0] && x.Keys[0] == reference
	})
}

// joinTable reports whether the table only joins two others: its columns are
// keys, and times that a framework writes.
func joinTable(r *plan.Relation) bool {
	if len(r.ForeignKeys) < 2 {
		return false
	}
	for i := range r.Columns {
		c := &r.Columns[i]
		if !isForeign(r, c.Name) && !slices.Contains(r.PrimaryKey, c.Name) && !isTime(c) && joined(c.Name) != "position" {
			return false
		}
	}
	return true
}

func hasAmounts(r *plan.Relation) bool {
	return slices.ContainsFunc(r.Columns, func(c plan.Column) bool { return isCount(&c) && among(words(c.Name), amountWords) })
}

// start returns the column with the time of a booking; "" if there is none.
func start(r *plan.Relation) string {
	if c := called(r, isTime, startWords); c != "" {
		return c
	}
	for i := range r.Columns {
		c := &r.Columns[i]
		list := words(c.Name)
		if len(list) == 0 || !isTime(c) {
			continue
		}
		if startWords[list[0]] && list[0] != "date" || startWords[list[len(list)-1]] && !personalTime(list) {
			return c.Name
		}
	}
	return ""
}

func personalTime(list []string) bool {
	return dictionary.Recognise(strings.Join(list, "_")) == dictionary.Birth || createdNames[strings.Join(list, "")]
}
