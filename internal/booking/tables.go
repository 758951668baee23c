package booking

// table is an index of tables. They are in an order in which foreign keys allow to
// fill them.
type table int

const (
	studios table = iota
	staff
	services
	addresses
	clients
	appointments
	classSessions
	participations
	invoices
	invoiceLines
	clientNotes
	messages
	consents
	memberships
	auditLog
)

// tables names each table and the columns that the generator writes, in the order
// of its rows. The first is always the id.
var tables = [...]struct {
	name    string
	columns []string
}{
	studios:   {"studios", []string{"id", "name", "country", "locale", "timezone", "created_at"}},
	staff:     {"staff", []string{"id", "studio_id", "first_name", "last_name", "email", "role", "created_at"}},
	services:  {"services", []string{"id", "studio_id", "title", "minutes", "price_cents"}},
	addresses: {"addresses", []string{"id", "street", "postal_code", "city", "country"}},
	clients: {"clients", []string{
		"id", "studio_id", "first_name", "last_name", "email", "phone", "birth_date", "address_id", "notes", "group_name",
		"balance_cents", "legal_hold", "referred_by", "created_at", "updated_at",
	}},
	appointments: {"appointments", []string{
		"id", "studio_id", "client_id", "starts_at", "status", "service", "client_name", "price_cents", "note",
	}},
	classSessions:  {"class_sessions", []string{"id", "studio_id", "staff_id", "title", "starts_at", "capacity"}},
	participations: {"participations", []string{"id", "session_id", "client_id", "status", "price_cents", "paid_cents", "comment"}},
	invoices: {"invoices", []string{
		"id", "studio_id", "client_id", "number", "issued_on", "status", "total_cents",
		"billing_name", "billing_address", "billing_email",
	}},
	invoiceLines: {"invoice_lines", []string{"id", "invoice_id", "participation_id", "description", "amount_cents"}},
	clientNotes:  {"client_notes", []string{"id", "client_id", "staff_id", "body", "created_at"}},
	messages:     {"messages", []string{"id", "client_id", "sent_at", "channel", "recipient", "subject", "body"}},
	consents:     {"consents", []string{"id", "client_id", "kind", "granted_at", "revoked_at", "ip", "wording"}},
	memberships:  {"memberships", []string{"id", "client_id", "plan", "card_number", "starts_on", "ends_on", "monthly_cents"}},
	auditLog:     {"audit_log", []string{"id", "occurred_at", "subject_type", "subject_id", "action", "data"}},
}

// rows are the rows of one chunk of clients, for each of tables.
type rows [len(tables)][][]any
