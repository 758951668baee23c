package mailer

import "github.com/oubli/oubli/jobs"

var german = catalogue{
	Language: "de",

	Date:     "{day}. {month} {year}",
	FirstDay: "1",
	Months: [12]string{
		"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November",
		"Dezember",
	},

	Erasure: wording{
		Complete:       "Kundenlöschung abgeschlossen",
		WithExceptions: "Kundenlöschung abgeschlossen, mit Ausnahmen",
		Failed:         "Kundenlöschung fehlgeschlagen",
		Cancelled:      "Kundenlöschung abgebrochen",

		Done:       "Die Löschung ist abgeschlossen und kann nicht rückgängig gemacht werden.",
		DoneNone:   "Die Löschung ist durchgelaufen. Es wurde kein Kunde gelöscht.",
		FailedSome: "Die Löschung ist vorzeitig fehlgeschlagen. Bereits gelöschte Kunden lassen sich nicht wiederherstellen.",
		FailedNone: "Die Löschung ist fehlgeschlagen. Es wurde kein Kunde gelöscht.",
		CancelledSome: "Die Löschung wurde vorzeitig abgebrochen. Bereits gelöschte Kunden lassen sich nicht wiederherstellen; " +
			"alle übrigen sind unverändert.",
		CancelledNone: "Die Löschung wurde abgebrochen. Es wurde kein Kunde gelöscht.",

		Sum: form{
			One:   "{n} von {total} Kunden wurde gelöscht.",
			Other: "{n} von {total} Kunden wurden gelöscht.",
		},
		Nobody: "Es gab keinen Kunden zu löschen.",
		LeftOut: form{
			One:   "{n} Kunde wurde nicht gelöscht; der Grund steht unten.",
			Other: "{n} Kunden wurden nicht gelöscht; die Gründe stehen unten.",
		},
		NotReached: form{
			One:   "{n} Kunde wurde nicht bearbeitet und ist unverändert.",
			Other: "{n} Kunden wurden nicht bearbeitet und sind unverändert.",
		},

		Outcomes: map[jobs.Outcome]string{
			jobs.Erased:         "Gelöscht",
			jobs.ErasedRetained: "Gelöscht, einzelne Daten aufgrund gesetzlicher Pflicht aufbewahrt",
			jobs.Skipped:        "Nicht gelöscht, durch eine Regel geschützt",
			jobs.FailedOutcome:  "Nicht gelöscht, von der Datenbank abgelehnt",
			jobs.NotFound:       "Nicht gefunden",
		},
		Pending: "Nicht bearbeitet",
	},

	Merge: wording{
		Complete:       "Kundenzusammenführung abgeschlossen",
		WithExceptions: "Kundenzusammenführung abgeschlossen, mit Ausnahmen",
		Failed:         "Kundenzusammenführung fehlgeschlagen",
		Cancelled:      "Kundenzusammenführung abgebrochen",

		Done:       "Die Zusammenführung ist abgeschlossen und kann nicht rückgängig gemacht werden.",
		DoneNone:   "Die Zusammenführung ist durchgelaufen. Es wurde kein Kunde zusammengeführt.",
		FailedSome: "Die Zusammenführung ist vorzeitig fehlgeschlagen. Bereits zusammengeführte Kunden lassen sich nicht wieder trennen.",
		FailedNone: "Die Zusammenführung ist fehlgeschlagen. Es wurde kein Kunde zusammengeführt.",
		CancelledSome: "Die Zusammenführung wurde vorzeitig abgebrochen. " +
			"Bereits zusammengeführte Kunden lassen sich nicht wieder trennen; alle übrigen sind unverändert.",
		CancelledNone: "Die Zusammenführung wurde abgebrochen. Es wurde kein Kunde zusammengeführt.",

		Sum: form{
			One:   "{n} von {total} Kunden wurde zusammengeführt.",
			Other: "{n} von {total} Kunden wurden zusammengeführt.",
		},
		Nobody: "Es gab keinen Kunden zusammenzuführen.",
		LeftOut: form{
			One:   "{n} Kunde wurde nicht zusammengeführt; der Grund steht unten.",
			Other: "{n} Kunden wurden nicht zusammengeführt; die Gründe stehen unten.",
		},
		NotReached: form{
			One:   "{n} Kunde wurde nicht bearbeitet und ist unverändert.",
			Other: "{n} Kunden wurden nicht bearbeitet und sind unverändert.",
		},

		Outcomes: map[jobs.Outcome]string{
			jobs.Erased:         "Zusammengeführt",
			jobs.ErasedRetained: "Zusammengeführt, einzelne Daten aufgrund gesetzlicher Pflicht aufbewahrt",
			jobs.Skipped:        "Nicht zusammengeführt, durch eine Regel geschützt",
			jobs.FailedOutcome:  "Nicht zusammengeführt, Konflikt oder Fehler",
			jobs.NotFound:       "Nicht gefunden",
		},
		Pending: "Nicht bearbeitet",
	},

	Outcome:    "Ergebnis",
	Exceptions: "Ausnahmen nach Grund",
	Kept:       "Aufgrund gesetzlicher Pflicht aufbewahrt",
	About:      "Zu diesem Auftrag",
	Total:      "Gesamt",
	Started:    "Beginn",
	NotStarted: "Nicht begonnen",
	Ended:      "Ende",
	Duration:   "Dauer",
	Job:        "Auftrag",
	Open:       "Auftrag öffnen",
	SignIn:     "Anmeldung erforderlich",

	KeptSome: form{
		One: "Bei {n} Kunden verlangt das Gesetz, einzelne Daten aufzubewahren, zum Beispiel die Anschrift auf einer Rechnung. " +
			"Nach Ablauf der Frist werden sie automatisch entfernt.",
		Other: "Bei {n} Kunden verlangt das Gesetz, einzelne Daten aufzubewahren, zum Beispiel die Anschrift auf einer Rechnung. " +
			"Nach Ablauf der Frist werden sie automatisch entfernt.",
	},
	KeptUntil: "Die letzte dieser Fristen endet am {date}.",

	LateLooking: "Die Suche nach Daten, die während des Vorgangs über diese Kunden geschrieben wurden, ist noch nicht abgeschlossen. " +
		"Was gefunden wird, wird ebenfalls entfernt.",
	LateRefused: form{
		One: "Bei {n} Kunden konnten Daten, die während des Vorgangs geschrieben wurden, noch nicht entfernt werden. " +
			"Es wird täglich erneut versucht.",
		Other: "Bei {n} Kunden konnten Daten, die während des Vorgangs geschrieben wurden, noch nicht entfernt werden. " +
			"Es wird täglich erneut versucht.",
	},

	Reasons: map[string]string{
		"legal_hold":              "Rechtliche Sperre (Legal Hold)",
		"unpaid_balance":          "Offener Saldo",
		"future_appointment":      "Bevorstehender Termin",
		"open_invoice":            "Offene Rechnung",
		jobs.CodeRecentActivity:   "Kürzlich aktiv",
		jobs.CodeAnonymousProfile: "Anonymes Profil, kein echter Kunde",
		jobs.CodeKeyReused:        "Der Schlüssel gehört inzwischen einem neueren Kunden",
		jobs.CodeNotFound:         "Nicht gefunden",
		jobs.CodeNotErased:        "Nicht gelöscht: Die Datenbank hat einen Teil der Daten behalten",
		jobs.CodeRetained:         "Einzelne Daten noch aufgrund gesetzlicher Pflicht aufbewahrt",
		jobs.CodeConflict:         "Konflikt mit Einträgen, die der Zielkunde schon hat",
		jobs.CodeValueConflict:    "Einträge mit Guthaben oder Wert gingen verloren",
		jobs.CodeTargetNotFound:   "Den Zielkunden gibt es nicht mehr",
		jobs.CodeTargetNobody:     "Das Ziel ist das anonyme Profil, kein echter Kunde",
	},
	Guard:              "Regel „{name}“",
	Database:           "Von der Datenbank abgelehnt (SQLSTATE {state})",
	DatabaseConstraint: "Von der Datenbank abgelehnt (SQLSTATE {state}, Constraint {constraint})",

	Footer: "Diese Nachricht wurde automatisch gesendet, weil diese Adresse über das Ende des Auftrags informiert werden soll. " +
		"Sie enthält keine Kundennamen.",
}
