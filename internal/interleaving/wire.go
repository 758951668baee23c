package interleaving

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// message is one message of PostgreSQL's protocol.
type message struct {
	kind byte // 0: one of those that begin a session, which have no type
	raw  []byte
}

// Types of messages, from the program and from the server.
const (
	parseMessage   = 'P'
	bindMessage    = 'B'
	executeMessage = 'E'
	queryMessage   = 'Q'
	syncMessage    = 'S'
	copyDone       = 'c'
	copyFail       = 'f'

	bindComplete    = '2'
	commandComplete = 'C'
	errorResponse   = 'E'
	emptyQuery      = 'I'
	portalSuspended = 's'
	readyForQuery   = 'Z'
	backendKeyData  = 'K'
	dataRow         = 'D'
	copyInResponse  = 'G'
)

// flush makes the server send what it has; it answers nothing of its own.
var flush = []byte{'H', 0, 0, 0, 4}

// longest is more than any message of a test.
const longest = 1 << 26

func readMessage(r *bufio.Reader) (message, error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(r, head); err != nil {
		return message{}, err
	}
	raw, err := readBody(r, head, 1)
	return message{head[0], raw}, err
}

// readFirst reads a message from before a session has begun.
func readFirst(r *bufio.Reader) (message, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil {
		return message{}, err
	}
	raw, err := readBody(r, head, 0)
	return message{0, raw}, err
}

// readBody reads the rest of a message whose length stands in head at this place.
func readBody(r io.Reader, head []byte, at int) ([]byte, error) {
	n := int(binary.BigEndian.Uint32(head[at:]))
	if n < 4 || n > longest {
		return nil, fmt.Errorf("a message of %d bytes", n)
	}
	raw := append(head, make([]byte, n-4)...)
	_, err := io.ReadFull(r, raw[len(head):])
	return raw, err
}

// texts are the zero-terminated texts with which the body begins.
func (m message) texts(n int) []string {
	var all []string
	for _, text := range bytes.SplitN(m.raw[5:], []byte{0}, n+1)[:n] {
		all = append(all, string(text))
	}
	return all
}

// withSQL is a message that prepares a statement, with other SQL.
func (m message) withSQL(sql string) message {
	texts := m.texts(2)
	rest := m.raw[5+len(texts[0])+1+len(texts[1])+1:]
	body := append([]byte(texts[0]+"\x00"+sql+"\x00"), rest...)
	raw := binary.BigEndian.AppendUint32([]byte{m.kind}, uint32(len(body)+4))
	return message{m.kind, append(raw, body...)}
}
