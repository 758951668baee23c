package booking

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// StudioTotals are the numbers of one studio that an erasure must not change. Two
// StudioTotals can be compared with ==. Money is in cents.
type StudioTotals struct {
	StudioID                                      int64
	Name, Country                                 string
	Appointments, AppointmentCents                int64
	Participations, ParticipationCents, PaidCents int64
	Sessions                                      int64 // classes with at least one participation
	Invoices, InvoiceCents                        int64
	InvoiceLines, InvoiceLineCents                int64

	// Checksum covers counts and sums by day and status, and for participations
	// also by session.
	Checksum string
}

// Totals returns the numbers of every studio in the order of ids, from one
// snapshot. They are the same before and after an erasure.
func Totals(ctx context.Context, db DB) ([]StudioTotals, error) {
	// Days are in UTC, so that the database session's time zone changes no sum.
	const query = `
		WITH per_day AS (
			SELECT studio_id, 'appointment' AS kind, (starts_at AT TIME ZONE 'UTC')::date::text AS part, status,
			       count(*) AS n, sum(price_cents) AS cents, 0::numeric AS paid
			FROM public.appointments GROUP BY 1, 3, 4
			UNION ALL
			SELECT s.studio_id, 'participation', (s.starts_at AT TIME ZONE 'UTC')::date || ' ' || s.id, p.status,
			       count(*), sum(p.price_cents), sum(p.paid_cents)
			FROM public.participations p JOIN public.class_sessions s ON s.id = p.session_id GROUP BY 1, s.id, 4
			UNION ALL
			SELECT studio_id, 'invoice', issued_on::text, status, count(*), sum(total_cents), 0
			FROM public.invoices GROUP BY 1, 3, 4
			UNION ALL
			SELECT i.studio_id, 'line', i.issued_on::text, i.status, count(*), sum(l.amount_cents), 0
			FROM public.invoice_lines l JOIN public.invoices i ON i.id = l.invoice_id GROUP BY 1, 3, 4
		), sums AS (
			SELECT studio_id,
			       sum(n) FILTER (WHERE kind = 'appointment') AS appointments,
			       sum(cents) FILTER (WHERE kind = 'appointment') AS appointment_cents,
			       sum(n) FILTER (WHERE kind = 'participation') AS participations,
			       sum(cents) FILTER (WHERE kind = 'participation') AS participation_cents,
			       sum(paid) FILTER (WHERE kind = 'participation') AS paid_cents,
			       count(DISTINCT part) FILTER (WHERE kind = 'participation') AS sessions,
			       sum(n) FILTER (WHERE kind = 'invoice') AS invoices,
			       sum(cents) FILTER (WHERE kind = 'invoice') AS invoice_cents,
			       sum(n) FILTER (WHERE kind = 'line') AS lines,
			       sum(cents) FILTER (WHERE kind = 'line') AS line_cents,
			       md5(string_agg(concat_ws('|', kind, part, status, n, cents, paid), E'\n'
			           ORDER BY kind, part, status)) AS checksum
			FROM per_day GROUP BY 1
		)
		SELECT s.id, s.name, s.country,
		       coalesce(appointments, 0)::bigint, coalesce(appointment_cents, 0)::bigint,
		       coalesce(participations, 0)::bigint, coalesce(participation_cents, 0)::bigint, coalesce(paid_cents, 0)::bigint,
		       coalesce(sessions, 0),
		       coalesce(invoices, 0)::bigint, coalesce(invoice_cents, 0)::bigint,
		       coalesce(lines, 0)::bigint, coalesce(line_cents, 0)::bigint,
		       coalesce(checksum, '')
		FROM public.studios s LEFT JOIN sums ON studio_id = s.id ORDER BY s.id`
	found, err := db.Query(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("totals: %w", err)
	}
	totals, err := pgx.CollectRows(found, pgx.RowToStructByPos[StudioTotals])
	if err != nil {
		return nil, fmt.Errorf("totals: %w", err)
	}
	return totals, nil
}
