package mailer

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/mail"
	"strings"
	"testing"

	"github.com/oubli/oubli/jobs"
)

// recorder is an SMTP server that accepts everything and records each command as
// it was received.
type recorder struct {
	listener net.Listener
	heard    chan []string // the commands of one dialogue
}

func startScribe(tb testing.TB) *recorder {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := &recorder{l, make(chan []string, 1)}
	tb.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.heard <- converse(c)
		}
	}()
	return s
}

func converse(c net.Conn) (commands []string) {
	defer c.Close()
	in := bufio.NewReader(c)
	say := func(s string) { _, _ = io.WriteString(c, s+"\r\n") }
	say("220 recorder")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return commands
		}
		line = strings.TrimSuffix(line, "\r\n")
		commands = append(commands, line)
		verb, _, _ := strings.Cut(line, " ")
		switch strings.ToUpper(verb) {
		case "EHLO":
			say("250-recorder\r\n250-8BITMIME\r\n250 SMTPUTF8")
		case "DATA":
			say("354 go on")
			for line != ".\r\n" {
				if line, err = in.ReadString('\n'); err != nil {
					return commands
				}
			}
			say("250 taken")
		case "QUIT":
			say("221 quitTimeout")
			return commands
		default:
			say("250 well")
		}
	}
}

// FuzzDialogue looks for a recipient's address that adds a command to the dialogue
// with the server, or turns one mail into two.
func FuzzDialogue(f *testing.F) {
	s := startScribe(f)
	port := s.listener.Addr().(*net.TCPAddr).Port
	m, err := New(Options{Host: "127.0.0.1", Port: port, TLS: TLSNone, From: "oubli <no-reply@example.org>", HELO: "client.test"})
	if err != nil {
		f.Fatal(err)
	}
	for _, to := range []string{
		"marie@studio.example", "zoë@stúdio.example", `"a b"@example.org`, `"a>\r\nRCPT TO:<b@example.org"@example.org`, "a@b.example>\r\nDATA",
		"a@b.example> SIZE=1", "=?utf-8?q?x=0D=0ARCPT?= <a@b.example>", "<a@b.example>", "@relay:a@b.example", "a@[127.0.0.1]",
		"a\u2028b@c.example", "a\u0085@b.example", "\"a\\\"b\"@c.example", ".", "a@b.example (.\r\n)",
	} {
		f.Add(to, "0197f3a2")
	}
	f.Fuzz(func(t *testing.T, to, id string) {
		l := sample("en", jobs.Completed)
		l.To, l.ID = to, id
		if _, err := m.Render(l); err != nil {
			return // no dialogue begins
		}
		if err := m.Send(t.Context(), l); err != nil {
			<-s.heard
			t.Fatalf("%q: %v", to, err)
		}
		parsed, err := mail.ParseAddress(to)
		if err != nil {
			t.Fatalf("%q: %v", to, err)
		}
		parsed.Address = asciiDomain(parsed.Address)
		utf8 := ""
		if !ascii(parsed.Address) {
			utf8 = " SMTPUTF8"
		}
		got, at := <-s.heard, strings.LastIndexByte(parsed.Address, '@')
		if len(got) != 5 || got[0] != "EHLO client.test" ||
			!strings.HasPrefix(got[1], "MAIL FROM:<no-reply@example.org>") || strings.Contains(got[1], "SMTPUTF8") != (utf8 != "") ||
			!strings.HasPrefix(got[2], "RCPT TO:<") || !strings.HasSuffix(got[2], parsed.Address[at:]+">") ||
			got[3] != "DATA" || got[4] != "QUIT" {
			t.Fatalf("%q makes the dialogue\n%s", to, fmt.Sprintf("%q", got))
		}
	})
}
