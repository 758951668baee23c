package dictionary

// IsMeasure reports whether a number with this name is surely an amount, a count, a
// position or the like, and so says nothing about a person: price_cents,
// montant_total, Anzahl. A number of which the name says nothing may be a telephone
// number, or one that an authority gave to a person.
func IsMeasure(name string) bool {
	list := Words(name)
	switch {
	case len(list) == 0:
		return false
	case counts[list[len(list)-1]]:
		return true // phone_calls, email_count
	case Recognise(name).Personal():
		return false
	}
	if len(list) == 1 && ownKeys[list[0]] {
		return true
	}
	first, last := list[0], list[len(list)-1]
	if measures[last] || measures[first] || documents[last] {
		return true
	}
	if !ordinals[last] {
		return false
	}
	return len(list) == 1 || Mentions(list[:len(list)-1], documents)
}

// IsEvent reports whether a day or a time with this name is surely one of the
// application's own, such as created_at, due_date or Rechnungsdatum. Other days may be
// of a person's life.
func IsEvent(name string) bool {
	if Recognise(name).Personal() {
		return false
	}
	for _, w := range Words(name) {
		if !times[w] && !events[w] && !documents[w] && !events[Singular([]string{w})[0]] && !documents[Singular([]string{w})[0]] {
			return false
		}
	}
	return len(Words(name)) > 0
}

// counts are words with which the name of a count ends, whatever is counted.
var counts = SetOf(`count counts counter cnt calls total totals`)

// measures are words for amounts, counts, durations and positions.
var measures = SetOf(`amount amounts price prices total totals subtotal cents cent pence money pay fee fees cost costs charge tax taxes
	vat net gross quantity qty count counts counter discount balance rate ratio percent percentage pct factor sum revenue tip tips
	deposit credit credits debit points score stars rating num size length width depth volume duration
	millis milliseconds ms seconds secs sec minutes mins min minute hours hrs hour days day weeks week weekday dow months month
	years year quarter position pos sort sorting rank ranking sequence seq index idx ordinal line page slot
	capacity seats seat spots places place limit quota max maximum minimum average avg median stock version revision
	attempt attempts tries retries priority level lane progress step steps weighting scale offset bytes kb mb ttl timeout
	visits views clicks units unit status state type kind category interval enum flags n cnt lsn xmin
	montant montants prix tva ttc ht quantite nombre nb solde remise taux points duree heures heure jours jour mois annee
	rang ordre capacite
	betrag betraege preis summe mwst gebuehr menge anzahl rabatt saldo guthaben punkte dauer minuten stunden tage tag monat jahr
	reihenfolge kapazitaet plaetze zeile seite einzelpreis gesamtpreis gesamtbetrag nettobetrag bruttobetrag steuerbetrag
	importe precio iva cantidad descuento puntos duracion minutos horas dias dia mes ano posicion orden capacidad plazas
	importo prezzo totale quantita sconto punti durata minuti ore giorni giorno mese anno posizione ordine capacita posti
	bedrag prijs totaal btw aantal korting punten duur uren dagen dag maand jaar positie volgorde capaciteit plaatsen`)

// ordinals are words for the numbers of documents and places. Of other things they
// may be numbers of persons.
var ordinals = SetOf(`id number no nr num code reference ref numero nummer codigo codice referencia riferimento kenmerk`)

// ownKeys are names of the number that a row has for itself.
var ownKeys = SetOf(`id uuid guid pk`)

// documents are things of the application that have numbers and days of their own.
var documents = SetOf(`invoice receipt creditnote bill order booking appointment reservation ticket session event class course lesson
	visit treatment room table chair court lane seat locker line page floor item topic product article batch lot sheet round row
	payment transaction refund transfer delivery shipment shipping voucher contract subscription membership period document entry
	log import export job task report version status trial sale purchase rental offer quote
	facture recu avoir commande reservation rendezvous rdv seance cours salle ligne paiement livraison bon contrat
	rechnung beleg quittung gutschrift bestellung buchung termin kurs sitzung raum zeile seite zahlung lieferung vertrag
	factura recibo pedido reserva cita sesion clase sala linea pago entrega contrato
	fattura ricevuta ordine prenotazione appuntamento sessione lezione riga pagamento consegna contratto
	factuur bon bestelling boeking afspraak sessie les zaal regel betaling levering contract`)

// times are the words around an event's own.
var times = SetOf(`at on date time datetime timestamp timestamptz ts utc tz day days month year last first next previous the of in is was
	when hour week now local during span
	le la du de des jour date heure mois derniere dernier premier premiere prochaine
	am um datum tag zeit uhrzeit zeitpunkt der des letzte letzter erste naechste
	el fecha hora dia del ultima ultimo primera proxima
	il data ora giorno di della ultimo ultima prima prossima
	de het op tijd tijdstip dag laatste eerste volgende`)

// events are what happens in an application.
var events = SetOf(`created create creation added inserted made new updated update modified modification changed change edited
	touched saved deleted removed discarded destroyed archived started starts start begins begin began beginning ended ends end ending
	finished finishes completed complete closed close opened open reopened due paid issued issue billed invoiced posted sent
	received delivered shipped dispatched ordered placed booked scheduled rescheduled confirmed published expires expired expiry
	expiration valid from until till to through since effective happened occurred occurs recorded logged performed executed
	run synced synchronized imported exported processed retried attempted tried queued refunded voided settled captured authorized
	approved rejected accepted declined requested submitted reviewed resolved assigned cancelled canceled cancellation cancels
	checked checkin checkout arrived attended enrolled registered joined renewed renews renewal paused resumed activated
	granted revoked withdrawn called deactivated enabled disabled suspended terminated locked released printed signed notified reminded
	refreshed fetched read
	redeemed used bought sold applied reached available retained cleared frozen
	cree creee creation ajoute modifie modification maj annule annulee paye payee emis emise emission echeance envoye recu livre
	commande reserve prevu prevue confirme publie expire valide debut fin depuis jusque facturation supprime
	erstellt angelegt erfasst geaendert aktualisiert storniert bezahlt faellig faelligkeit gebucht ausgestellt gesendet erhalten
	geliefert bestellt gueltig ab bis von beginn ende start abgeschlossen geloescht rechnungsdatum belegdatum lieferdatum
	startdatum enddatum bestelldatum buchungsdatum faelligkeitsdatum zahlungsdatum erstelldatum anlagedatum startzeit endzeit
	creado creada creacion actualizado actualizada modificado modificada cancelado cancelada pagado pagada emision emitido
	vencimiento enviado recibido entregado reservado confirmado inicio fin desde hasta
	creato creata creazione aggiornato aggiornata modificato modificata annullato annullata pagato pagata emissione emesso
	scadenza inviato ricevuto consegnato prenotato confermato inizio fine da dal al fino
	aangemaakt gewijzigd bijgewerkt geannuleerd betaald verzonden ontvangen geleverd geboekt bevestigd verval vervaldatum
	begin einde vanaf van tot startdatum einddatum begindatum factuurdatum orderdatum leverdatum betaaldatum`)
