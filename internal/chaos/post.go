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

// mood is how the mail server treats its callers.
type mood string

const (
	kind      mood = ""
	tempRcpt  mood = "4xx for the recipient"
	tempData  mood = "4xx for the message"
	permRcpt  mood = "5xx for the recipient"
	permData  mood = "5xx for the message"
	hanging   mood = "hanging"
	dropHalf  mood = "dropped before the final dot"
	dropWhole mood = "dropped after the final dot"
	rudeQuit  mood = "an error at QUIT"
)

// letter is a mail that the server has accepted.
type letter struct {
	to, id   string
	data     []byte
	at       time.Time
	answered bool // the sender was told
}

// post is the mail server.
type post struct {
	addr   string
	server *smtp.Server

	mu      sync.Mutex
	mood    mood
	changed chan struct{} // closed when the mood changes
	visits  int           // that met the present mood where it matters
	got     []letter
	refused map[string]bool // recipients who were refused for good
}

func openPost() (*post, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &post{addr: l.Addr().String(), changed: make(chan struct{}), refused: map[string]bool{}}
	p.server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &dialogue{post: p, conn: c}, nil
	}))
	p.server.Domain = "post.localhost"
	p.server.ReadTimeout, p.server.WriteTimeout = 2*time.Minute, 2*time.Minute
	p.server.ErrorLog = log.New(io.Discard, "", 0)
	go func() { _ = p.server.Serve(rude{l, p}) }()
	return p, nil
}

func (p *post) Close() error {
	p.be(kind)
	return p.server.Close()
}

// be changes the mood.
func (p *post) be(m mood) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mood, p.visits = m, 0
	close(p.changed)
	p.changed = make(chan struct{})
}

// in reports whether the mood is one of these, and counts the visit if so.
func (p *post) in(moods ...mood) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Contains(moods, p.mood) {
		return false
	}
	p.visits++
	return true
}

// met is how many dialogues have met the present mood.
func (p *post) met() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.visits
}

func (p *post) letters() []letter {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got)
}

func (p *post) hasRefused(to string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused[to]
}

// forget empties the server before a round.
func (p *post) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = nil
	clear(p.refused)
}

// dialogue is one session.
type dialogue struct {
	post *post
	conn *smtp.Conn
	to   string
}

func (d *dialogue) Reset()                               { d.to = "" }
func (d *dialogue) Logout() error                        { return nil }
func (d *dialogue) Mail(string, *smtp.MailOptions) error { return nil }

func (d *dialogue) Rcpt(to string, _ *smtp.RcptOptions) error {
	p := d.post
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
	p := d.post
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
	p.got = append(p.got, letter{to: d.to, id: m.Header.Get("Message-ID"), data: body.Bytes(), at: time.Now(), answered: !dropped && !hung})
	p.mu.Unlock()
	if dropped {
		_ = d.conn.Conn().Close()
		return errors.New("dropped")
	}
	return nil
}

func (d *dialogue) refuse(to string) error {
	d.post.mu.Lock()
	d.post.refused[to] = true
	d.post.mu.Unlock()
	return refusal(550)
}

func refusal(code int) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 2, 0}, Message: "because"}
}

// rude is a listener whose connections, in such a mood, answer QUIT with an
// error.
type rude struct {
	net.Listener
	post *post
}

func (l rude) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &rudeConn{c, l.post}, nil
}

type rudeConn struct {
	net.Conn
	post *post
}

func (c *rudeConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if strings.HasPrefix(string(b[:n]), "QUIT") && c.post.in(rudeQuit) {
		_, _ = io.WriteString(c.Conn, "554 5.3.0 no\r\n")
		return 0, errors.Join(io.EOF, c.Conn.Close())
	}
	return n, err
}
