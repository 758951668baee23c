package mailer

import "github.com/oubli/oubli/jobs"

var dutch = catalogue{
	Language: "nl",

	Date:     "{day} {month} {year}",
	FirstDay: "1",
	Months: [12]string{
		"januari", "februari", "maart", "april", "mei", "juni", "juli", "augustus", "september", "oktober",
		"november", "december",
	},

	Erasure: wording{
		Complete:       "Verwijdering van klanten voltooid",
		WithExceptions: "Verwijdering van klanten voltooid, met uitzonderingen",
		Failed:         "Verwijdering van klanten mislukt",
		Cancelled:      "Verwijdering van klanten geannuleerd",

		Done:       "De verwijdering is voltooid en kan niet ongedaan worden gemaakt.",
		DoneNone:   "De verwijdering is afgerond. Er is geen klant verwijderd.",
		FailedSome: "De verwijdering is voortijdig mislukt. Klanten die al verwijderd zijn, kunnen niet worden hersteld.",
		FailedNone: "De verwijdering is mislukt. Er is geen klant verwijderd.",
		CancelledSome: "De verwijdering is voortijdig geannuleerd. Klanten die al verwijderd zijn, kunnen niet worden hersteld; " +
			"alle andere zijn ongewijzigd.",
		CancelledNone: "De verwijdering is geannuleerd. Er is geen klant verwijderd.",

		Sum: form{
			One:   "{n} van de {total} klanten is verwijderd.",
			Other: "{n} van de {total} klanten zijn verwijderd.",
		},
		Nobody: "Er was geen klant om te verwijderen.",
		LeftOut: form{
			One:   "{n} klant is niet verwijderd; de reden staat hieronder.",
			Other: "{n} klanten zijn niet verwijderd; de redenen staan hieronder.",
		},
		NotReached: form{
			One:   "{n} klant is niet verwerkt en is ongewijzigd.",
			Other: "{n} klanten zijn niet verwerkt en zijn ongewijzigd.",
		},

		Outcomes: map[jobs.Outcome]string{
			jobs.Erased:         "Verwijderd",
			jobs.ErasedRetained: "Verwijderd, enkele gegevens wettelijk bewaard",
			jobs.Skipped:        "Niet verwijderd, beschermd door een regel",
			jobs.FailedOutcome:  "Niet verwijderd, geweigerd door de database",
			jobs.NotFound:       "Niet gevonden",
		},
		Pending: "Niet verwerkt",
	},

	Merge: wording{
		Complete:       "Samenvoeging van klanten voltooid",
		WithExceptions: "Samenvoeging van klanten voltooid, met uitzonderingen",
		Failed:         "Samenvoeging van klanten mislukt",
		Cancelled:      "Samenvoeging van klanten geannuleerd",

		Done:       "De samenvoeging is voltooid en kan niet ongedaan worden gemaakt.",
		DoneNone:   "De samenvoeging is afgerond. Er is geen klant samengevoegd.",
		FailedSome: "De samenvoeging is voortijdig mislukt. Klanten die al samengevoegd zijn, kunnen niet meer worden gescheiden.",
		FailedNone: "De samenvoeging is mislukt. Er is geen klant samengevoegd.",
		CancelledSome: "De samenvoeging is voortijdig geannuleerd. " +
			"Klanten die al samengevoegd zijn, kunnen niet meer worden gescheiden; alle andere zijn ongewijzigd.",
		CancelledNone: "De samenvoeging is geannuleerd. Er is geen klant samengevoegd.",

		Sum: form{
			One:   "{n} van de {total} klanten is samengevoegd.",
			Other: "{n} van de {total} klanten zijn samengevoegd.",
		},
		Nobody: "Er was geen klant om samen te voegen.",
		LeftOut: form{
			One:   "{n} klant is niet samengevoegd; de reden staat hieronder.",
			Other: "{n} klanten zijn niet samengevoegd; de redenen staan hieronder.",
		},
		NotReached: form{
			One:   "{n} klant is niet verwerkt en is ongewijzigd.",
			Other: "{n} klanten zijn niet verwerkt en zijn ongewijzigd.",
		},

		Outcomes: map[jobs.Outcome]string{
			jobs.Erased:         "Samengevoegd",
			jobs.ErasedRetained: "Samengevoegd, enkele gegevens wettelijk bewaard",
			jobs.Skipped:        "Niet samengevoegd, beschermd door een regel",
			jobs.FailedOutcome:  "Niet samengevoegd, conflict of fout",
			jobs.NotFound:       "Niet gevonden",
		},
		Pending: "Niet verwerkt",
	},

	Outcome:    "Resultaat",
	Exceptions: "Uitzonderingen per reden",
	Kept:       "Wettelijk bewaard",
	About:      "Over deze taak",
	Total:      "Totaal",
	Started:    "Begin",
	NotStarted: "Niet begonnen",
	Ended:      "Einde",
	Duration:   "Duur",
	Job:        "Taak",
	Open:       "Taak openen",
	SignIn:     "u wordt gevraagd in te loggen",

	KeptSome: form{
		One: "Voor {n} klant vereist de wet dat enkele gegevens worden bewaard, zoals het adres op een factuur. " +
			"Ze worden automatisch verwijderd zodra de termijn afloopt.",
		Other: "Voor {n} klanten vereist de wet dat enkele gegevens worden bewaard, zoals het adres op een factuur. " +
			"Ze worden automatisch verwijderd zodra de termijn afloopt.",
	},
	KeptUntil: "De laatste van deze termijnen eindigt op {date}.",

	LateLooking: "Het zoeken naar gegevens die tijdens de bewerking over deze klanten zijn geschreven, is nog niet klaar. " +
		"Wat wordt gevonden, wordt ook verwijderd.",
	LateRefused: form{
		One: "Van {n} klant konden gegevens die tijdens de bewerking zijn geschreven nog niet worden verwijderd. " +
			"Dit wordt elke dag opnieuw geprobeerd.",
		Other: "Van {n} klanten konden gegevens die tijdens de bewerking zijn geschreven nog niet worden verwijderd. " +
			"Dit wordt elke dag opnieuw geprobeerd.",
	},

	Reasons: map[string]string{
		"legal_hold":              "Juridische bewaarplicht (legal hold)",
		"unpaid_balance":          "Openstaand saldo",
		"future_appointment":      "Toekomstige afspraak",
		"open_invoice":            "Openstaande factuur",
		jobs.CodeRecentActivity:   "Recente activiteit",
		jobs.CodeAnonymousProfile: "Anoniem profiel, geen echte klant",
		jobs.CodeKeyReused:        "De sleutel is intussen van een nieuwere klant",
		jobs.CodeNotFound:         "Niet gevonden",
		jobs.CodeNotErased:        "Niet gewist: de database heeft een deel van de gegevens behouden",
		jobs.CodeRetained:         "Enkele gegevens nog wettelijk bewaard",
		jobs.CodeConflict:         "Conflict met gegevens die de doelklant al heeft",
		jobs.CodeValueConflict:    "Gegevens met waarde zouden verloren gaan",
		jobs.CodeTargetNotFound:   "De doelklant bestaat niet meer",
		jobs.CodeTargetNobody:     "Het doel is het anonieme profiel, geen echte klant",
	},
	Guard:              "Regel “{name}”",
	Database:           "Geweigerd door de database (SQLSTATE {state})",
	DatabaseConstraint: "Geweigerd door de database (SQLSTATE {state}, constraint {constraint})",

	Footer: "Dit bericht is automatisch verzonden omdat dit adres is opgegeven om bericht te krijgen over het resultaat. " +
		"Het bevat geen namen van klanten.",
}
