package mailer

import "github.com/oubli/oubli/jobs"

var english = catalogue{
	Language: "en",

	Date:     "{day} {month} {year}",
	FirstDay: "1",
	Months: [12]string{
		"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
		"December",
	},

	Erasure: wording{
		Complete:       "Client deletion complete",
		WithExceptions: "Client deletion complete, with exceptions",
		Failed:         "Client deletion failed",
		Cancelled:      "Client deletion cancelled",

		Done:          "The deletion is complete. It cannot be undone.",
		DoneNone:      "The deletion has run to its end. No client was deleted.",
		FailedSome:    "The deletion failed before its end. Clients already deleted cannot be restored.",
		FailedNone:    "The deletion failed. No client was deleted.",
		CancelledSome: "The deletion was cancelled before its end. Clients already deleted cannot be restored; all others are unchanged.",
		CancelledNone: "The deletion was cancelled. No client was deleted.",

		Sum: form{
			One:   "{n} client out of {total} was deleted.",
			Other: "{n} clients out of {total} were deleted.",
		},
		Nobody: "There was no client to delete.",
		LeftOut: form{
			One:   "{n} client was not deleted; the reason is below.",
			Other: "{n} clients were not deleted; the reasons are below.",
		},
		NotReached: form{
			One:   "{n} client was not processed and is unchanged.",
			Other: "{n} clients were not processed and are unchanged.",
		},

		Outcomes: map[jobs.Outcome]string{
			jobs.Erased:         "Deleted",
			jobs.ErasedRetained: "Deleted, some data retained as required by law",
			jobs.Skipped:        "Not deleted, protected by a rule",
			jobs.FailedOutcome:  "Not deleted, refused by the database",
			jobs.NotFound:       "Not found",
		},
		Pending: "Not processed",
	},

	Merge: wording{
		Complete:       "Client merge complete",
		WithExceptions: "Client merge complete, with exceptions",
		Failed:         "Client merge failed",
		Cancelled:      "Client merge cancelled",

		Done:          "The merge is complete. It cannot be undone.",
		DoneNone:      "The merge has run to its end. No client was merged.",
		FailedSome:    "The merge failed before its end. Clients already merged cannot be separated again.",
		FailedNone:    "The merge failed. No client was merged.",
		CancelledSome: "The merge was cancelled before its end. Clients already merged cannot be separated again; all others are unchanged.",
		CancelledNone: "The merge was cancelled. No client was merged.",

		Sum: form{
			One:   "{n} client out of {total} was merged.",
			Other: "{n} clients out of {total} were merged.",
		},
		Nobody: "There was no client to merge.",
		LeftOut: form{
			One:   "{n} client was not merged; the reason is below.",
			Other: "{n} clients were not merged; the reasons are below.",
		},
		NotReached: form{
			One:   "{n} client was not processed and is unchanged.",
			Other: "{n} clients were not processed and are unchanged.",
		},

		Outcomes: map[jobs.Outcome]string{
			jobs.Erased:         "Merged",
			jobs.ErasedRetained: "Merged, some data retained as required by law",
			jobs.Skipped:        "Not merged, protected by a rule",
			jobs.FailedOutcome:  "Not merged, conflict or error",
			jobs.NotFound:       "Not found",
		},
		Pending: "Not processed",
	},

	Outcome:    "Outcome",
	Exceptions: "Exceptions by reason",
	Kept:       "Retained as required by law",
	About:      "About this job",
	Total:      "Total",
	Started:    "Started",
	NotStarted: "Not started",
	Ended:      "Ended",
	Duration:   "Duration",
	Job:        "Job",
	Open:       "Open the job",
	SignIn:     "you will be asked to sign in",

	KeptSome: form{
		One: "For {n} client, the law requires some data to be kept, such as the address on an invoice. " +
			"It is removed automatically when its period ends.",
		Other: "For {n} clients, the law requires some data to be kept, such as the address on an invoice. " +
			"It is removed automatically when its period ends.",
	},
	KeptUntil: "The last of these periods ends on {date}.",

	LateLooking: "The search for data that was written about these clients during the job is not over yet. What it finds is removed too.",
	LateRefused: form{
		One:   "For {n} client, data that was written during the job could not be removed yet. It is tried again every day.",
		Other: "For {n} clients, data that was written during the job could not be removed yet. It is tried again every day.",
	},

	Reasons: map[string]string{
		"legal_hold":              "Legal hold",
		"unpaid_balance":          "Unpaid balance",
		"future_appointment":      "Upcoming appointment",
		"open_invoice":            "Open invoice",
		jobs.CodeRecentActivity:   "Recent activity",
		jobs.CodeAnonymousProfile: "Anonymous profile, not a real client",
		jobs.CodeKeyReused:        "The key belongs to a newer client by now",
		jobs.CodeNotFound:         "Not found",
		jobs.CodeNotErased:        "Not erased: the database kept some of the data",
		jobs.CodeRetained:         "Some data still retained as required by law",
		jobs.CodeConflict:         "Conflicts with rows that the target client already has",
		jobs.CodeValueConflict:    "Would lose rows that carry value",
		jobs.CodeTargetNotFound:   "The target client no longer exists",
		jobs.CodeTargetNobody:     "The target is the anonymous profile, not a real client",
	},
	Guard:              "Rule “{name}”",
	Database:           "Refused by the database (SQLSTATE {state})",
	DatabaseConstraint: "Refused by the database (SQLSTATE {state}, constraint {constraint})",

	Footer: "This message was sent automatically because this address was listed to be notified when the job ends. " +
		"It contains no client names.",
}
