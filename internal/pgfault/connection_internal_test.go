package pgfault

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/jobs"
)

func TestAFileThatTheURLNamesAndNobodyFindsIsSaidToBeMissing(t *testing.T) {
	t.Parallel()
	_, err := pgx.ParseConfig("postgres://anna:secret@127.0.0.1:1/none?sslrootcert=/nowhere/ca.pem&sslmode=verify-full")
	got := Wrap("read database URL", err)
	if got == nil || !strings.Contains(got.Error(), "sslrootcert") ||
		strings.Contains(got.Error(), "nowhere") || strings.Contains(got.Error(), "secret") {
		t.Errorf("got %v", got)
	}
}

func TestARefusedLoginIsExplained(t *testing.T) {
	t.Parallel()
	for code, says := range map[string]string{
		"3D000": "does not exist", "28P01": "password", "28000": "pg_hba.conf", "53300": "max_connections", "42501": "GRANT CONNECT",
		"57P03": "starting", "XX000": "SQLSTATE XX000",
	} {
		if got := refusedLogin(code); !strings.Contains(got, says) || !strings.Contains(got, code) {
			t.Errorf("%s: %s, want %q", code, got, says)
		}
	}
}

func TestAFailedTLSConnectionIsExplained(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		says string
	}{
		{&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, "sslrootcert"},
		{x509.HostnameError{Certificate: &x509.Certificate{}, Host: "db"}, "another host name"},
		{&tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}}, "expired"},
		{tls.RecordHeaderError{}, "does not speak TLS"},
		{tls.AlertError(42), "ended the TLS handshake"},
	} {
		// pgconn joins the errors of all addresses that it has tried.
		if got := connectionFault(errors.Join(errors.New("first"), c.err)); !strings.Contains(got, c.says) {
			t.Errorf("%T: %s, want %q", c.err, got, c.says)
		}
	}
}

func TestAServerWithoutTLSIsNamedWhereTLSIsDemanded(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		if _, err := c.Read(make([]byte, 8)); err == nil { // SSLRequest
			_, _ = c.Write([]byte{'N'})
		}
	}()
	_, err = pgx.Connect(t.Context(), "postgres://anna@"+l.Addr().String()+"/booking?sslmode=require")
	got := Wrap("open database", err)
	if jobs.KindOf(got) != jobs.Unavailable || !strings.Contains(got.Error(), "does not offer TLS") {
		t.Errorf("got %v", got)
	}
}
