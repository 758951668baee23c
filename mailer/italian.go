package mailer

import "github.com/oubli/oubli/jobs"

var italian = catalogue{
	Language: "it",

	Date:     "{day} {month} {year}",
	FirstDay: "1º",
	Months: [12]string{
		"gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno", "luglio", "agosto", "settembre", "ottobre",
		"novembre", "dicembre",
	},

	Erasure: wording{
		Complete:       "Eliminazione dei clienti completata",
		WithExceptions: "Eliminazione dei clienti completata, con eccezioni",
		Failed:         "Eliminazione dei clienti non riuscita",
		Cancelled:      "Eliminazione dei clienti annullata",

		Done:     "L'eliminazione è completata e non può essere annullata.",
		DoneNone: "L'eliminazione è giunta al termine. Nessun cliente è stato eliminato.",
		FailedSome: "L'eliminazione si è interrotta per un errore prima del termine. " +
			"I clienti già eliminati non possono essere ripristinati.",
		FailedNone: "L'eliminazione non è riuscita. Nessun cliente è stato eliminato.",
		CancelledSome: "L'eliminazione è stata annullata prima del termine. I clienti già eliminati non possono essere ripristinati; " +
			"tutti gli altri sono invariati.",
		CancelledNone: "L'eliminazione è stata annullata. Nessun cliente è stato eliminato.",

		Sum: form{
			One:   "È stato eliminato {n} cliente su {total}.",
			Other: "Sono stati eliminati {n} clienti su {total}.",
		},
		Nobody: "Non c'era alcun cliente da eliminare.",
		LeftOut: form{
			One:   "{n} cliente non è stato eliminato; il motivo è indicato sotto.",
			Other: "{n} clienti non sono stati eliminati; i motivi sono indicati sotto.",
		},
		NotReached: form{
			One:   "{n} cliente non è stato elaborato e resta invariato.",
			Other: "{n} clienti non sono stati elaborati e restano invariati.",
		},

		Outcomes: map[jobs.Outcome]string{
			jobs.Erased:         "Eliminati",
			jobs.ErasedRetained: "Eliminati, con alcuni dati conservati per obbligo di legge",
			jobs.Skipped:        "Non eliminati, protetti da una regola",
			jobs.FailedOutcome:  "Non eliminati, rifiutati dal database",
			jobs.NotFound:       "Non trovati",
		},
		Pending: "Non elaborati",
	},

	Merge: wording{
		Complete:       "Unione dei clienti completata",
		WithExceptions: "Unione dei clienti completata, con eccezioni",
		Failed:         "Unione dei clienti non riuscita",
		Cancelled:      "Unione dei clienti annullata",

		Done:       "L'unione è completata e non può essere annullata.",
		DoneNone:   "L'unione è giunta al termine. Nessun cliente è stato unito.",
		FailedSome: "L'unione si è interrotta per un errore prima del termine. I clienti già uniti non possono più essere separati.",
		FailedNone: "L'unione non è riuscita. Nessun cliente è stato unito.",
		CancelledSome: "L'unione è stata annullata prima del termine. I clienti già uniti non possono più essere separati; " +
			"tutti gli altri sono invariati.",
		CancelledNone: "L'unione è stata annullata. Nessun cliente è stato unito.",

		Sum: form{
			One:   "È stato unito {n} cliente su {total}.",
			Other: "Sono stati uniti {n} clienti su {total}.",
		},
		Nobody: "Non c'era alcun cliente da unire.",
		LeftOut: form{
			One:   "{n} cliente non è stato unito; il motivo è indicato sotto.",
			Other: "{n} clienti non sono stati uniti; i motivi sono indicati sotto.",
		},
		NotReached: form{
			One:   "{n} cliente non è stato elaborato e resta invariato.",
			Other: "{n} clienti non sono stati elaborati e restano invariati.",
		},

		Outcomes: map[jobs.Outcome]string{
			jobs.Erased:         "Uniti",
			jobs.ErasedRetained: "Uniti, con alcuni dati conservati per obbligo di legge",
			jobs.Skipped:        "Non uniti, protetti da una regola",
			jobs.FailedOutcome:  "Non uniti, conflitto o errore",
			jobs.NotFound:       "Non trovati",
		},
		Pending: "Non elaborati",
	},

	Outcome:    "Risultato",
	Exceptions: "Eccezioni per motivo",
	Kept:       "Dati conservati per obbligo di legge",
	About:      "Informazioni su questa operazione",
	Total:      "Totale",
	Started:    "Inizio",
	NotStarted: "Non iniziata",
	Ended:      "Fine",
	Duration:   "Durata",
	Job:        "Operazione",
	Open:       "Apri l'operazione",
	SignIn:     "verrà richiesto l'accesso",

	KeptSome: form{
		One: "Per {n} cliente la legge impone di conservare alcuni dati, ad esempio l'indirizzo su una fattura. " +
			"Saranno rimossi automaticamente alla scadenza del termine.",
		Other: "Per {n} clienti la legge impone di conservare alcuni dati, ad esempio l'indirizzo su una fattura. " +
			"Saranno rimossi automaticamente alla scadenza del termine.",
	},
	KeptUntil: "L'ultimo di questi termini scade il {date}.",

	LateLooking: "La ricerca di dati scritti su questi clienti durante l'operazione non è ancora terminata. " +
		"Anche ciò che si trova viene eliminato.",
	LateRefused: form{
		One:   "Di {n} cliente non è stato ancora possibile eliminare dati scritti durante l'operazione. Si riprova ogni giorno.",
		Other: "Di {n} clienti non è stato ancora possibile eliminare dati scritti durante l'operazione. Si riprova ogni giorno.",
	},

	Reasons: map[string]string{
		"legal_hold":              "Conservazione imposta per motivi legali",
		"unpaid_balance":          "Saldo non pagato",
		"future_appointment":      "Appuntamento futuro",
		"open_invoice":            "Fattura aperta",
		jobs.CodeRecentActivity:   "Attività recente",
		jobs.CodeAnonymousProfile: "Profilo anonimo, non un cliente reale",
		jobs.CodeKeyReused:        "La chiave appartiene ora a un cliente più recente",
		jobs.CodeNotFound:         "Non trovato",
		jobs.CodeNotErased:        "Non cancellato: il database ha conservato parte dei dati",
		jobs.CodeRetained:         "Alcuni dati ancora conservati per obbligo di legge",
		jobs.CodeConflict:         "Conflitto con dati che il cliente di destinazione ha già",
		jobs.CodeValueConflict:    "Andrebbero persi dati che hanno un valore",
		jobs.CodeTargetNotFound:   "Il cliente di destinazione non esiste più",
		jobs.CodeTargetNobody:     "La destinazione è il profilo anonimo, non un vero cliente",
	},
	Guard:              "Regola «{name}»",
	Database:           "Rifiutato dal database (SQLSTATE {state})",
	DatabaseConstraint: "Rifiutato dal database (SQLSTATE {state}, vincolo {constraint})",

	Footer: "Questo messaggio è stato inviato automaticamente perché questo indirizzo è stato indicato per conoscere l'esito " +
		"dell'operazione. Non contiene nomi di clienti.",
}
