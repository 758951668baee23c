package mailer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// server is a real SMTP server in this process. Its hooks produce errors; a nil
// hook accepts everything.
type server struct {
	host string
	port int

	mail   func(*smtp.Conn) error
	rcpt   func(*smtp.Conn) error
	data   func(*smtp.Conn, io.Reader) error
	onQuit string // instead of the right answer; "drop" closes the connection
	user   string // offers AUTH PLAIN for this user, with password "secret"
	tls    *tls.Config
	wrap   bool // TLS from the first byte

	received chan receivedMail
}

type receivedMail struct{ from, to, raw string }

// start listens on a free port until the test ends.
func (s *server) start(t *testing.T) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.received = make(chan receivedMail, 16)
	s.host, s.port = "127.0.0.1", listener.Addr().(*net.TCPAddr).Port

	srv := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{server: s, conn: c}, nil
	}))
	srv.Domain = "test"
	srv.AllowInsecureAuth = true
	srv.ErrorLog = log.New(io.Discard, "", 0)
	var accepting net.Listener = &quitListener{listener, s.onQuit}
	if s.wrap {
		accepting = tls.NewListener(accepting, s.tls)
	} else {
		srv.TLSConfig = s.tls
	}
	go srv.Serve(accepting)
	t.Cleanup(func() { srv.Close() })
	return s
}

// mailer is a client of this server, without TLS unless the test asks for it.
func (s *server) mailer(t *testing.T, change ...func(*Options)) *Mailer {
	t.Helper()
	o := Options{
		Host:      s.host,
		Port:      s.port,
		TLS:       TLSNone,
		From:      "oubli <no-reply@example.org>",
		PublicURL: "https://booking.example",
		HELO:      "client.test",
	}
	for _, f := range change {
		f(&o)
	}
	m, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

type session struct {
	*server
	conn *smtp.Conn
	receivedMail
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	if s.mail != nil {
		return s.mail(s.conn)
	}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	if s.rcpt != nil {
		return s.rcpt(s.conn)
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	if s.data != nil {
		if err := s.data(s.conn, r); err != nil {
			return err
		}
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.received <- receivedMail{s.from, s.to, string(raw)}
	return nil
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

func (s *session) AuthMechanisms() []string {
	if s.user == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != s.user || password != "secret" {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

// quitListener answers QUIT with the text of onQuit.
type quitListener struct {
	net.Listener
	answer string
}

func (l *quitListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil || l.answer == "" {
		return c, err
	}
	return &quitConn{c, l.answer}, nil
}

type quitConn struct {
	net.Conn
	answer string
}

func (c *quitConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if !strings.HasPrefix(string(b[:n]), "QUIT") {
		return n, err
	}
	if c.answer != "drop" {
		_, _ = io.WriteString(c.Conn, c.answer+"\r\n")
	}
	c.Conn.Close()
	return 0, io.EOF
}

// drop is a hook that closes the connection during the dialogue.
func drop(c *smtp.Conn) error { return c.Conn().Close() }

// certificate returns a server's certificate for 127.0.0.1, and roots, the only
// pool that trusts it.
func certificate(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, roots
}
