//go:build unix

package chaos

import (
	"bytes"
	"errors"
	"io"
	"log"
	"net"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// behaviour is how the mail server treats its callers.
type behaviour string

const (
	kind      behaviour = ""
	tempRcpt  behaviour = "4xx for the recipient"
	tempData  behaviour = "4xx for the message"
	permRcpt  behaviour = "5xx for the recipient"
	permData  behaviour = "5xx for the message"
	hanging   behaviour = "hanging"
	dropHalf  behaviour = "dropped before the final dot"
	dropWhole behaviour = "dropped after the final dot"
	rudeQuit  behaviour = "an error at QUIT"
)

// acceptedMail is a mail that the server has accepted.
type acceptedMail struct {
	to, id   string
	data     []byte
	at       time.Time
	answered bool // the sender got the answer
}

// mailServer accepts, refuses or breaks the connection, as its behaviour says.
type mailServer struct {
	addr   string
	server *smtp.Server

	mu        sync.Mutex
	behaviour behaviour
	changed   chan struct{} // closed when the behaviour changes
	visits    int           // dialogues that reached the present behaviour
	got       []acceptedMail
	refused   map[string]bool // recipients who were refused for good
}

func openMailServer() (*mailServer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &mailServer{addr: l.Addr().String(), changed: make(chan struct{}), refused: map[string]bool{}}
	p.server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &dialogue{mails: p, conn: c}, nil
	}))
	p.server.Domain = "mail.localhost"
	p.server.ReadTimeout, p.server.WriteTimeout = 2*time.Minute, 2*time.Minute
	p.server.ErrorLog = log.New(io.Discard, "", 0)
	go func() { _ = p.server.Serve(quitRefuser{l, p}) }()
	return p, nil
}

func (p *mailServer) Close() error {
	p.behave(kind)
	return p.server.Close()
}

// behave changes the behaviour.
func (p *mailServer) behave(m behaviour) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.behaviour, p.visits = m, 0
	close(p.changed)
	p.changed = make(chan struct{})
}

// in reports whether the behaviour is one of these, and counts the visit if so.
func (p *mailServer) in(behaviours ...behaviour) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Contains(behaviours, p.behaviour) {
		return false
	}
	p.visits++
	return true
}

// met returns how many dialogues have reached the present behaviour.
func (p *mailServer) met() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.visits
}

func (p *mailServer) accepted() []acceptedMail {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got)
}

func (p *mailServer) hasRefused(to string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused[to]
}

// reset empties the server before a round.
func (p *mailServer) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = nil
	clear(p.refused)
}

// dialogue is one session.
type dialogue struct {
	mails *mailServer
	conn  *smtp.Conn
	to    string
}

func (d *dialogue) Reset()                               { d.to = "" }
func (d *dialogue) Logout() error                        { return nil }
func (d *dialogue) Mail(string, *smtp.MailOptions) error { return nil }

func (d *dialogue) Rcpt(to string, _ *smtp.RcptOptions) error {
	p := d.mails
	switch {
	case p.in(tempRcpt):
		return refusal(451)
	case p.in(permRcpt):
		return d.refuse(to)
	}
	d.to = to
	return nil
}

func (d *dialogue) Data(r io.Reader) error {
	p := d.mails
	if p.in(dropHalf) {
		_, _ = io.CopyN(io.Discard, r, 200)
		_ = d.conn.Conn().Close()
		return io.ErrUnexpectedEOF
	}
	var body bytes.Buffer
	if _, err := body.ReadFrom(r); err != nil {
		return err
	}
	hung := false
	switch {
	case p.in(tempData):
		return refusal(452)
	case p.in(permData):
		return d.refuse(d.to)
	case p.in(hanging):
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		<-changed
		hung = true // the sender may have gone meanwhile
	}
	dropped := p.in(dropWhole)
	m, err := mail.ReadMessage(bytes.NewReader(body.Bytes()))
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.got = append(p.got, acceptedMail{
		to:       d.to,
		id:       m.Header.Get("Message-ID"),
		data:     body.Bytes(),
		at:       time.Now(),
		answered: !dropped && !hung,
	})
	p.mu.Unlock()
	if dropped {
		_ = d.conn.Conn().Close()
		return errors.New("dropped")
	}
	return nil
}

func (d *dialogue) refuse(to string) error {
	d.mails.mu.Lock()
	d.mails.refused[to] = true
	d.mails.mu.Unlock()
	return refusal(550)
}

func refusal(code int) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 2, 0}, Message: "because"}
}

// quitRefuser is a listener whose connections answer QUIT with an error if the
// behaviour is set to it.
type quitRefuser struct {
	net.Listener
	mails *mailServer
}

func (l quitRefuser) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &quitRefusingConn{c, l.mails}, nil
}

type quitRefusingConn struct {
	net.Conn
	mails *mailServer
}

func (c *quitRefusingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if strings.HasPrefix(string(b[:n]), "QUIT") && c.mails.in(rudeQuit) {
		_, _ = io.WriteString(c.Conn, "554 5.3.0 no\r\n")
		return 0, errors.Join(io.EOF, c.Conn.Close())
	}
	return n, err
}
