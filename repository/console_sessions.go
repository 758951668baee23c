package repository

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/jobs"
)

// newSecret is 256 random bits, as text and as the digest that is stored.
func newSecret() (text string, digest []byte) {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	text = base64.RawURLEncoding.EncodeToString(b)
	return text, digestOf(text)
}

func digestOf(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// OfferConsole stores a session that begins when somebody brings the code, within a
// minute.
func (s *Store) OfferConsole(ctx context.Context, r jobs.ConsoleRequest) (id, code string, until time.Time, err error) {
	key, err := uuid.NewV7()
	if err != nil {
		return "", "", until, err
	}
	code, digest := newSecret()
	err = s.pool.QueryRow(ctx, `
		INSERT INTO oubli.console_sessions (id, tenant_id, subject, email, role, locale, path, code_digest, code_until, ends_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now() + $9::interval, least(now() + $10::interval, $11::timestamptz))
		RETURNING code_until`, key, r.Tenant, r.Subject, r.Email, r.Role, r.Locale, r.Path, digest,
		jobs.ConsoleCodeLife, jobs.ConsoleLife, r.Until).Scan(&until)
	return key.String(), code, until, pgfault.Wrap("offer a session of the console", err)
}

const sessionColumns = "id::text, tenant_id, subject, email, role, locale, path, opened_at, ends_at"

func scanSession(row pgx.Row) (jobs.ConsoleSession, error) {
	var c jobs.ConsoleSession
	err := row.Scan(&c.ID, &c.Tenant, &c.Subject, &c.Email, &c.Role, &c.Locale, &c.Path, &c.Opened, &c.Ends)
	if errors.Is(err, pgx.ErrNoRows) {
		return c, noSession()
	}
	return c, pgfault.Wrap("read a session of the console", err)
}

func noSession() error {
	return &jobs.Error{Kind: jobs.Unauthenticated, Code: "signed_out", Msg: "the session has ended, or the link was used or is too old"}
}

// OpenConsole begins a session with the code of a link, which is good once, and
// returns the secret for the browser's cookie.
func (s *Store) OpenConsole(ctx context.Context, code string) (c jobs.ConsoleSession, cookie string, err error) {
	cookie, digest := newSecret()
	c, err = scanSession(s.pool.QueryRow(ctx, `
		UPDATE oubli.console_sessions SET code_digest = NULL, cookie_digest = $2, opened_at = now(), seen_at = now()
		WHERE code_digest = $1 AND code_until > now() AND ends_at > now() RETURNING `+sessionColumns, digestOf(code), digest))
	return c, cookie, err
}

// ConsoleSession finds the session of a cookie, and notes that it is in use.
func (s *Store) ConsoleSession(ctx context.Context, cookie string) (jobs.ConsoleSession, error) {
	digest := digestOf(cookie)
	c, err := scanSession(s.pool.QueryRow(ctx, "SELECT "+sessionColumns+` FROM oubli.console_sessions
		WHERE cookie_digest = $1 AND ends_at > now() AND seen_at > now() - $2::interval`, digest, jobs.ConsoleIdle))
	if err != nil {
		return c, err
	}
	_, err = s.pool.Exec(ctx, `
		UPDATE oubli.console_sessions SET seen_at = now() WHERE cookie_digest = $1 AND seen_at < now() - interval '1 minute'`, digest)
	return c, pgfault.Wrap("note a session of the console", err)
}

// CloseConsole signs a browser out.
func (s *Store) CloseConsole(ctx context.Context, cookie string) error {
	_, err := s.pool.Exec(ctx, "DELETE FROM oubli.console_sessions WHERE cookie_digest = $1", digestOf(cookie))
	return pgfault.Wrap("end a session of the console", err)
}

// EndConsole ends a session, or takes back its link. Its own person may, and an
// administrator of its tenant or of all.
func (s *Store) EndConsole(ctx context.Context, by jobs.Caller, id string) error {
	missing := &jobs.Error{Kind: jobs.Missing, Code: "not_found", Msg: "no such session"}
	if uuid.Validate(id) != nil {
		return missing
	}
	tag, err := s.pool.Exec(ctx, `DELETE FROM oubli.console_sessions
		WHERE id = $1 AND ($2 = '*' OR tenant_id = $2) AND (subject = $3 OR $4 = 'admin')`, id, by.Tenant, by.Subject, by.Role)
	if err == nil && tag.RowsAffected() == 0 {
		return missing
	}
	return pgfault.Wrap("end a session of the console", err)
}

// deleteSessions deletes sessions that have ended.
func (s *Store) deleteSessions(ctx context.Context) error {
	_, err := s.pool.Exec(ctx, `DELETE FROM oubli.console_sessions
		WHERE ends_at < now() OR seen_at < now() - $1::interval OR seen_at IS NULL AND code_until < now()`, jobs.ConsoleIdle)
	return pgfault.Wrap("delete sessions of the console", err)
}
