package pgfault

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"strings"
)

// refusedLogin says why the server refused a connection.
func refusedLogin(state string) string {
	switch state {
	case "28P01":
		return "the server refuses the user or its password (SQLSTATE 28P01)"
	case "28000":
		return "the server does not let this user connect from here: see its role and pg_hba.conf (SQLSTATE 28000)"
	case "3D000":
		return "the database that the URL names does not exist (SQLSTATE 3D000)"
	case "42501":
		return "the user may not connect to this database: GRANT CONNECT (SQLSTATE 42501)"
	case "53300":
		return "the server has no connection left (SQLSTATE 53300): raise max_connections or the role's CONNECTION LIMIT"
	case "57P03":
		return "the server is starting or stopping (SQLSTATE 57P03)"
	}
	return "SQLSTATE " + state
}

// unreadableURL says what in the connection string is wrong, without quoting it:
// it holds the password.
func unreadableURL(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "a file that the database URL names (sslrootcert, sslcert, sslkey, passfile or service file) does not exist"
	}
	if errors.Is(err, fs.ErrPermission) {
		return "a file that the database URL names (sslrootcert, sslcert, sslkey, passfile or service file) may not be read"
	}
	return "the database URL cannot be read"
}

// tlsFault says why a TLS connection failed; empty for any other error. The
// errors of pgconn join one error for each address that was tried.
func tlsFault(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the server's certificate is signed by an authority that is not trusted here: name its file in sslrootcert"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the server's certificate is for another host name"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if invalid.Reason == x509.Expired {
			return "the server's certificate has expired or is not valid yet"
		}
		return "the server's certificate is not valid"
	}
	if alert, ok := errors.AsType[tls.AlertError](err); ok {
		return "the server ended the TLS handshake: " + alert.Error()
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "the server does not speak TLS"
	}
	// pgconn has no type for this one.
	if strings.Contains(err.Error(), "server refused TLS connection") {
		return "the server does not offer TLS, and sslmode demands it"
	}
	return ""
}
