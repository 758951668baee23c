package interleaving

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Stop is a place between two steps of the program.
type Stop struct {
	SQL string // of the statement that is next
	// Idle says that no session of the program is in a transaction.
	Idle bool
	// Inside says that the statement has its snapshot and has read nothing.
	Inside bool
}

func (s Stop) String() string {
	sql := strings.Join(strings.Fields(s.SQL), " ")
	if len(sql) > 90 {
		sql = sql[:90] + "…"
	}
	switch {
	case s.Idle:
		return "outside of transactions, before " + sql
	case s.Inside:
		return "within " + sql
	}
	return "before " + sql
}

// watcher is told where the program's sessions are. A session does not go on
// before it has been told.
type watcher interface {
	stop(Stop)
	// waits is called again and again while a session's statement takes long.
	waits(pid uint32)
}

// Proxy stands between a program and its server. While nobody watches, it forwards
// everything at once.
type Proxy struct {
	// Rewrite, when set, changes statements on their way to the server. A control
	// takes a lock away like that.
	Rewrite func(sql string) string
	// Repeats, when set, names statements of which a session that runs one beside
	// another session's transaction is given the rows that the other was given. A
	// control takes a second look away like that.
	Repeats func(sql string) bool

	listener net.Listener
	network  string
	address  string
	watcher  atomic.Pointer[watcher]

	mu       sync.Mutex
	sessions map[*session]bool
	answers  map[string][][]byte // rows, by statement of Repeats
	ended    sync.WaitGroup
}

// NewProxy listens for connections to the server of a URL.
func NewProxy(server string) (*Proxy, error) {
	cfg, err := pgx.ParseConfig(server)
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	p := &Proxy{sessions: map[*session]bool{}, answers: map[string][][]byte{}}
	p.network, p.address = pgconn.NetworkAddress(cfg.Host, cfg.Port)
	if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	go p.accept()
	return p, nil
}

// URL leads to the same database as this one, through the proxy.
func (p *Proxy) URL(database string) (string, error) {
	u, err := url.Parse(database)
	if err != nil {
		return "", err
	}
	query := u.Query()
	query.Del("host")
	query.Del("port")
	query.Set("sslmode", "disable")
	u.Host, u.RawQuery = p.listener.Addr().String(), query.Encode()
	return u.String(), nil
}

// Close ends all sessions.
func (p *Proxy) Close() {
	_ = p.listener.Close()
	p.mu.Lock()
	for s := range p.sessions {
		s.close()
	}
	p.mu.Unlock()
	p.ended.Wait()
}

// watch tells w from now on.
func (p *Proxy) watch(w watcher) {
	if w == nil {
		p.watcher.Store(nil)
		return
	}
	p.watcher.Store(&w)
}

func (p *Proxy) watched() watcher {
	if w := p.watcher.Load(); w != nil {
		return *w
	}
	return nil
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := (&net.Dialer{}).DialContext(context.Background(), p.network, p.address)
		if err != nil {
			_ = client.Close()
			continue
		}
		s := &session{Proxy: p, client: client, server: server, events: make(chan byte, 1024), statements: map[string]string{}}
		p.mu.Lock()
		p.sessions[s] = true
		p.mu.Unlock()
		p.ended.Add(2)
		go s.forward()
		go s.answer()
	}
}

// session is one connection of the program.
type session struct {
	*Proxy
	client, server net.Conn
	events         chan byte // types of the server's messages
	pid            atomic.Uint32
	open           atomic.Bool // in a transaction, or in the middle of a batch

	// Of forward.
	statements map[string]string // SQL by the name of the prepared statement
	bound      string            // SQL of the portal
	failed     bool              // the server skips what comes before the next Sync

	// Of Proxy.mu.
	records string   // the statement of Repeats whose rows are under way
	repeats [][]byte // what the program is given instead of the rows under way
	instead bool
}

func (s *session) close() {
	_ = s.client.Close()
	_ = s.server.Close()
}

var errSessionEnded = errors.New("the session has ended")

// forward passes on what the program sends, one statement at a time.
func (s *session) forward() {
	defer s.ended.Done()
	defer s.end()
	in := bufio.NewReader(s.client)
	m, err := readFirst(in)
	if err == nil {
		_, err = s.server.Write(m.raw)
	}
	for err == nil {
		if m, err = readMessage(in); err == nil {
			err = s.pass(m)
		}
	}
}

func (s *session) end() {
	s.close()
	s.mu.Lock()
	delete(s.sessions, s)
	s.mu.Unlock()
}

// pass passes one message on and waits until the server is done with it.
func (s *session) pass(m message) error {
	w := s.watched()
	switch m.kind {
	case parseMessage:
		texts := m.texts(2)
		s.statements[texts[0]] = texts[1]
		if s.Rewrite != nil {
			m = m.withSQL(s.Rewrite(texts[1]))
		}
	case bindMessage:
		s.bound = s.statements[m.texts(2)[1]]
		if w == nil || s.failed {
			break
		}
		s.stop(w, Stop{SQL: s.bound})
		if !readsOnly(s.bound) {
			break
		}
		if err := s.send(w, append(m.raw, flush...), bindComplete); err != nil {
			return err
		}
		if !s.failed {
			s.stop(w, Stop{SQL: s.bound, Inside: true})
		}
		return nil
	case executeMessage:
		if s.failed {
			break
		}
		s.open.Store(true)
		s.executes(s.bound)
		return s.send(w, append(m.raw, flush...), commandComplete, emptyQuery, portalSuspended)
	case queryMessage:
		if w != nil {
			s.stop(w, Stop{SQL: m.texts(1)[0]})
		}
		return s.send(w, m.raw, readyForQuery, copyInResponse)
	case syncMessage, copyDone, copyFail:
		return s.send(w, m.raw, readyForQuery)
	}
	_, err := s.server.Write(m.raw)
	return err
}

// readsOnly reports whether the statement gets its snapshot before it is executed,
// and reads rows with it.
func readsOnly(sql string) bool {
	sql = strings.ToUpper(strings.TrimSpace(sql))
	return strings.HasPrefix(sql, "SELECT") && strings.Contains(sql, "FROM")
}

func (s *session) stop(w watcher, at Stop) {
	if dull(at.SQL) {
		return
	}
	at.Idle = !at.Inside && s.allIdle()
	w.stop(at)
}

// dull reports whether a statement reads nothing of the application's tables and
// ends no transaction, so that a stop before it shows nothing.
func dull(sql string) bool {
	for _, word := range []string{"begin", "commit", "rollback", "savepoint", "set constraints"} {
		if strings.HasPrefix(sql, word) {
			return false
		}
	}
	return !strings.Contains(sql, `"public".`) || strings.Contains(sql, "WHERE false")
}

func (s *session) allIdle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for o := range s.sessions {
		if o.open.Load() {
			return false
		}
	}
	return true
}

// patience is how long a statement may take before it counts as waiting.
const patience = 2 * time.Millisecond

// send sends bytes to the server and waits for one of these messages, or an error.
func (s *session) send(w watcher, raw []byte, until ...byte) error {
	if _, err := s.server.Write(raw); err != nil {
		return err
	}
	tick := time.NewTicker(patience)
	defer tick.Stop()
	for {
		select {
		case kind, more := <-s.events:
			switch {
			case !more:
				return errSessionEnded
			case kind == readyForQuery:
				s.failed = false
				return nil
			case kind == errorResponse:
				if s.failed = true; until[0] != readyForQuery {
					return nil
				}
			}
			if slices.Contains(until, kind) {
				return nil
			}
		case <-tick.C:
			if w != nil {
				w.waits(s.pid.Load())
			}
		}
	}
}

// answer passes on what the server sends.
func (s *session) answer() {
	defer s.ended.Done()
	defer s.close()
	defer close(s.events)
	in := bufio.NewReader(s.server)
	begun := false
	for {
		m, err := readMessage(in)
		if err != nil {
			return
		}
		switch m.kind {
		case backendKeyData:
			s.pid.Store(binary.BigEndian.Uint32(m.raw[5:]))
		case readyForQuery:
			s.open.Store(m.raw[5] != 'I')
		}
		for _, raw := range s.repeated(m) {
			if _, err := s.client.Write(raw); err != nil {
				return
			}
		}
		switch {
		case m.kind == readyForQuery && !begun:
			begun = true
		case begun && strings.IndexByte("2CEIsZG", m.kind) >= 0:
			s.events <- m.kind
		}
	}
}

// executes notes whether the rows that come are to be remembered or replaced.
func (s *session) executes(sql string) {
	if s.Repeats == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records, s.repeats, s.instead = "", nil, false
	if s.watched() == nil || !s.Repeats(sql) {
		return
	}
	for o := range s.sessions {
		if o != s && o.open.Load() {
			s.repeats, s.instead = s.answers[sql], true
			return
		}
	}
	s.records, s.answers[sql] = sql, nil
}

// repeated is what the program is given for a message.
func (s *session) repeated(m message) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case m.kind == dataRow && s.instead:
		return nil
	case m.kind == dataRow && s.records != "":
		s.answers[s.records] = append(s.answers[s.records], m.raw)
	case m.kind == commandComplete && s.instead:
		s.instead = false
		return append(slices.Clone(s.repeats), m.raw)
	case m.kind == commandComplete:
		s.records = ""
	}
	return [][]byte{m.raw}
}
