package mailer

import "github.com/oubli/oubli/jobs"

var spanish = catalogue{
	Language: "es",

	Date:     "{day} de {month} de {year}",
	FirstDay: "1",
	Months: [12]string{
		"enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre",
		"noviembre", "diciembre",
	},

	Erasure: wording{
		Complete:       "Eliminación de clientes finalizada",
		WithExceptions: "Eliminación de clientes finalizada, con excepciones",
		Failed:         "La eliminación de clientes ha fallado",
		Cancelled:      "Eliminación de clientes cancelada",

		Done:       "La eliminación ha finalizado y no se puede deshacer.",
		DoneNone:   "La eliminación ha llegado a su fin. No se ha eliminado ningún cliente.",
		FailedSome: "La eliminación ha fallado antes de terminar. Los clientes ya eliminados no se pueden recuperar.",
		FailedNone: "La eliminación ha fallado. No se ha eliminado ningún cliente.",
		CancelledSome: "La eliminación se ha cancelado antes de terminar. Los clientes ya eliminados no se pueden recuperar; " +
			"todos los demás siguen sin cambios.",
		CancelledNone: "La eliminación se ha cancelado. No se ha eliminado ningún cliente.",

		Sum: form{
			One:   "Se ha eliminado {n} cliente de {total}.",
			Other: "Se han eliminado {n} clientes de {total}.",
		},
		Nobody: "No había ningún cliente que eliminar.",
		LeftOut: form{
			One:   "{n} cliente no se ha eliminado; el motivo figura más abajo.",
			Other: "{n} clientes no se han eliminado; los motivos figuran más abajo.",
		},
		NotReached: form{
			One:   "{n} cliente no se ha procesado y sigue sin cambios.",
			Other: "{n} clientes no se han procesado y siguen sin cambios.",
		},

		Outcomes: map[jobs.Outcome]string{
			jobs.Erased:         "Eliminados",
			jobs.ErasedRetained: "Eliminados, con algunos datos conservados por obligación legal",
			jobs.Skipped:        "No eliminados, protegidos por una regla",
			jobs.FailedOutcome:  "No eliminados, rechazados por la base de datos",
			jobs.NotFound:       "No encontrados",
		},
		Pending: "No procesados",
	},

	Merge: wording{
		Complete:       "Fusión de clientes finalizada",
		WithExceptions: "Fusión de clientes finalizada, con excepciones",
		Failed:         "La fusión de clientes ha fallado",
		Cancelled:      "Fusión de clientes cancelada",

		Done:       "La fusión ha finalizado y no se puede deshacer.",
		DoneNone:   "La fusión ha llegado a su fin. No se ha fusionado ningún cliente.",
		FailedSome: "La fusión ha fallado antes de terminar. Los clientes ya fusionados no se pueden volver a separar.",
		FailedNone: "La fusión ha fallado. No se ha fusionado ningún cliente.",
		CancelledSome: "La fusión se ha cancelado antes de terminar. Los clientes ya fusionados no se pueden volver a separar; " +
			"todos los demás siguen sin cambios.",
		CancelledNone: "La fusión se ha cancelado. No se ha fusionado ningún cliente.",

		Sum: form{
			One:   "Se ha fusionado {n} cliente de {total}.",
			Other: "Se han fusionado {n} clientes de {total}.",
		},
		Nobody: "No había ningún cliente que fusionar.",
		LeftOut: form{
			One:   "{n} cliente no se ha fusionado; el motivo figura más abajo.",
			Other: "{n} clientes no se han fusionado; los motivos figuran más abajo.",
		},
		NotReached: form{
			One:   "{n} cliente no se ha procesado y sigue sin cambios.",
			Other: "{n} clientes no se han procesado y siguen sin cambios.",
		},

		Outcomes: map[jobs.Outcome]string{
			jobs.Erased:         "Fusionados",
			jobs.ErasedRetained: "Fusionados, con algunos datos conservados por obligación legal",
			jobs.Skipped:        "No fusionados, protegidos por una regla",
			jobs.FailedOutcome:  "No fusionados, conflicto o error",
			jobs.NotFound:       "No encontrados",
		},
		Pending: "No procesados",
	},

	Outcome:    "Resultado",
	Exceptions: "Excepciones por motivo",
	Kept:       "Datos conservados por obligación legal",
	About:      "Acerca de esta tarea",
	Total:      "Total",
	Started:    "Inicio",
	NotStarted: "No iniciada",
	Ended:      "Fin",
	Duration:   "Duración",
	Job:        "Tarea",
	Open:       "Abrir la tarea",
	SignIn:     "se le pedirá que inicie sesión",

	KeptSome: form{
		One: "En el caso de {n} cliente, la ley obliga a conservar algunos datos, por ejemplo la dirección de una factura. " +
			"Se borrarán automáticamente al terminar el plazo legal.",
		Other: "En el caso de {n} clientes, la ley obliga a conservar algunos datos, por ejemplo la dirección de una factura. " +
			"Se borrarán automáticamente al terminar el plazo legal.",
	},
	KeptUntil: "El último de estos plazos termina el {date}.",

	LateLooking: "La búsqueda de datos escritos sobre estos clientes durante la operación aún no ha terminado. " +
		"Lo que se encuentre también se eliminará.",
	LateRefused: form{
		One:   "De {n} cliente aún no se han podido eliminar datos escritos durante la operación. Se vuelve a intentar cada día.",
		Other: "De {n} clientes aún no se han podido eliminar datos escritos durante la operación. Se vuelve a intentar cada día.",
	},

	Reasons: map[string]string{
		"legal_hold":              "Retención por motivos legales",
		"unpaid_balance":          "Saldo pendiente",
		"future_appointment":      "Cita futura",
		"open_invoice":            "Factura pendiente",
		jobs.CodeRecentActivity:   "Actividad reciente",
		jobs.CodeAnonymousProfile: "Perfil anónimo, no es un cliente real",
		jobs.CodeKeyReused:        "La clave pertenece ahora a un cliente más reciente",
		jobs.CodeNotFound:         "No encontrado",
		jobs.CodeNotErased:        "No borrado: la base de datos conservó parte de los datos",
		jobs.CodeRetained:         "Algunos datos aún conservados por obligación legal",
		jobs.CodeConflict:         "Conflicto con datos que el cliente de destino ya tiene",
		jobs.CodeValueConflict:    "Se perderían datos que tienen valor",
		jobs.CodeTargetNotFound:   "El cliente de destino ya no existe",
		jobs.CodeTargetNobody:     "El destino es el perfil anónimo, no un cliente real",
	},
	Guard:              "Regla «{name}»",
	Database:           "Rechazado por la base de datos (SQLSTATE {state})",
	DatabaseConstraint: "Rechazado por la base de datos (SQLSTATE {state}, restricción {constraint})",

	Footer: "Este mensaje se ha enviado automáticamente porque esta dirección se indicó para conocer el resultado de la tarea. " +
		"No contiene nombres de clientes.",
}
