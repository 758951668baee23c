package mailer

import "github.com/oubli/oubli/jobs"

var french = catalogue{
	Language: "fr",

	Date:     "{day} {month} {year}",
	FirstDay: "1er",
	Months: [12]string{
		"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
		"décembre",
	},
	ZeroIsSingular: true,

	Erasure: wording{
		Complete:       "Suppression de clients terminée",
		WithExceptions: "Suppression de clients terminée, avec exceptions",
		Failed:         "Échec de la suppression de clients",
		Cancelled:      "Suppression de clients annulée",

		Done:       "La suppression est terminée. Cette action est irréversible.",
		DoneNone:   "La suppression est arrivée à son terme. Aucun client n'a été supprimé.",
		FailedSome: "La suppression a échoué avant son terme. Les clients déjà supprimés ne peuvent pas être rétablis.",
		FailedNone: "La suppression a échoué. Aucun client n'a été supprimé.",
		CancelledSome: "La suppression a été annulée avant son terme. Les clients déjà supprimés ne peuvent pas être rétablis\u00a0; " +
			"tous les autres sont inchangés.",
		CancelledNone: "La suppression a été annulée. Aucun client n'a été supprimé.",

		Sum: form{
			One:   "{n} client sur {total} a été supprimé.",
			Other: "{n} clients sur {total} ont été supprimés.",
		},
		Nobody: "Il n'y avait aucun client à supprimer.",
		LeftOut: form{
			One:   "{n} client n'a pas été supprimé\u00a0; la raison est indiquée ci-dessous.",
			Other: "{n} clients n'ont pas été supprimés\u00a0; les raisons sont indiquées ci-dessous.",
		},
		NotReached: form{
			One:   "{n} client n'a pas été traité et reste inchangé.",
			Other: "{n} clients n'ont pas été traités et restent inchangés.",
		},

		Outcomes: map[jobs.Outcome]string{
			jobs.Erased:         "Supprimés",
			jobs.ErasedRetained: "Supprimés, certaines données conservées par obligation légale",
			jobs.Skipped:        "Non supprimés, protégés par une règle",
			jobs.FailedOutcome:  "Non supprimés, refusés par la base de données",
			jobs.NotFound:       "Introuvables",
		},
		Pending: "Non traités",
	},

	Merge: wording{
		Complete:       "Fusion de clients terminée",
		WithExceptions: "Fusion de clients terminée, avec exceptions",
		Failed:         "Échec de la fusion de clients",
		Cancelled:      "Fusion de clients annulée",

		Done:       "La fusion est terminée. Cette action est irréversible.",
		DoneNone:   "La fusion est arrivée à son terme. Aucun client n'a été fusionné.",
		FailedSome: "La fusion a échoué avant son terme. Les clients déjà fusionnés ne peuvent plus être séparés.",
		FailedNone: "La fusion a échoué. Aucun client n'a été fusionné.",
		CancelledSome: "La fusion a été annulée avant son terme. Les clients déjà fusionnés ne peuvent plus être séparés\u00a0; " +
			"tous les autres sont inchangés.",
		CancelledNone: "La fusion a été annulée. Aucun client n'a été fusionné.",

		Sum: form{
			One:   "{n} client sur {total} a été fusionné.",
			Other: "{n} clients sur {total} ont été fusionnés.",
		},
		Nobody: "Il n'y avait aucun client à fusionner.",
		LeftOut: form{
			One:   "{n} client n'a pas été fusionné\u00a0; la raison est indiquée ci-dessous.",
			Other: "{n} clients n'ont pas été fusionnés\u00a0; les raisons sont indiquées ci-dessous.",
		},
		NotReached: form{
			One:   "{n} client n'a pas été traité et reste inchangé.",
			Other: "{n} clients n'ont pas été traités et restent inchangés.",
		},

		Outcomes: map[jobs.Outcome]string{
			jobs.Erased:         "Fusionnés",
			jobs.ErasedRetained: "Fusionnés, certaines données conservées par obligation légale",
			jobs.Skipped:        "Non fusionnés, protégés par une règle",
			jobs.FailedOutcome:  "Non fusionnés, conflit ou erreur",
			jobs.NotFound:       "Introuvables",
		},
		Pending: "Non traités",
	},

	Outcome:    "Résultat",
	Exceptions: "Exceptions par motif",
	Kept:       "Conservé par obligation légale",
	About:      "À propos de cette tâche",
	Total:      "Total",
	Started:    "Début",
	NotStarted: "Non commencée",
	Ended:      "Fin",
	Duration:   "Durée",
	Job:        "Tâche",
	Open:       "Voir le détail",
	SignIn:     "une connexion vous sera demandée",

	KeptSome: form{
		One: "Pour {n} client, la loi impose de conserver certaines données, par exemple l'adresse figurant sur une facture. " +
			"Elles seront effacées automatiquement à la fin de la durée légale.",
		Other: "Pour {n} clients, la loi impose de conserver certaines données, par exemple l'adresse figurant sur une facture. " +
			"Elles seront effacées automatiquement à la fin de la durée légale.",
	},
	KeptUntil: "La dernière de ces durées prend fin le {date}.",

	LateLooking: "La recherche de données écrites sur ces clients pendant l'opération n'est pas encore terminée. " +
		"Ce qui est trouvé sera aussi supprimé.",
	LateRefused: form{
		One: "Pour {n} client, des données écrites pendant l'opération n'ont pas encore pu être supprimées. " +
			"Un nouvel essai a lieu chaque jour.",
		Other: "Pour {n} clients, des données écrites pendant l'opération n'ont pas encore pu être supprimées. " +
			"Un nouvel essai a lieu chaque jour.",
	},

	Reasons: map[string]string{
		"legal_hold":              "Conservation imposée par un litige ou une autorité",
		"unpaid_balance":          "Solde impayé",
		"future_appointment":      "Rendez-vous à venir",
		"open_invoice":            "Facture ouverte",
		jobs.CodeRecentActivity:   "Activité récente",
		jobs.CodeAnonymousProfile: "Profil anonyme, pas un vrai client",
		jobs.CodeKeyReused:        "La clé appartient désormais à un client plus récent",
		jobs.CodeNotFound:         "Introuvable",
		jobs.CodeNotErased:        "Non effacé\u00a0: la base de données a conservé une partie des données",
		jobs.CodeRetained:         "Certaines données encore conservées par obligation légale",
		jobs.CodeConflict:         "Conflit avec des données que le client cible possède déjà",
		jobs.CodeValueConflict:    "Ferait perdre des données qui ont une valeur",
		jobs.CodeTargetNotFound:   "Le client cible n’existe plus",
		jobs.CodeTargetNobody:     "La cible est le profil anonyme, pas un vrai client",
	},
	Guard:              "Règle «\u00a0{name}\u00a0»",
	Database:           "Refus de la base de données (SQLSTATE {state})",
	DatabaseConstraint: "Refus de la base de données (SQLSTATE {state}, contrainte {constraint})",

	Footer: "Le présent message a été envoyé automatiquement, car cette adresse a été indiquée pour être informée du résultat. " +
		"Il ne contient aucun nom de client.",
}
