package demo

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
)

// readableMail is a mail as its reader sees it.
type readableMail struct {
	from, to, subject, date string
	text                    string
}

func (l readableMail) header() string {
	return fmt.Sprintf("From:    %s\nTo:      %s\nDate:    %s\nSubject: %s\n", l.from, l.to, l.date, l.subject)
}

// decodeMail decodes the headers and the text part of a multipart message.
func decodeMail(data []byte) (readableMail, error) {
	m, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		return readableMail{}, fmt.Errorf("read mail: %w", err)
	}
	var words mime.WordDecoder
	header := func(name string) string {
		text, err := words.DecodeHeader(m.Header.Get(name))
		if err != nil {
			return m.Header.Get(name)
		}
		return text
	}
	l := readableMail{from: header("From"), to: header("To"), subject: header("Subject"), date: header("Date")}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return readableMail{}, fmt.Errorf("read mail: %w", err)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for {
		part, err := parts.NextRawPart()
		if err != nil {
			return readableMail{}, fmt.Errorf("read mail: no text part: %w", err)
		}
		if !strings.HasPrefix(part.Header.Get("Content-Type"), "text/plain") {
			continue
		}
		var body io.Reader = part
		if strings.EqualFold(part.Header.Get("Content-Transfer-Encoding"), "quoted-printable") {
			body = quotedprintable.NewReader(part)
		}
		text, err := io.ReadAll(body)
		l.text = string(text)
		return l, err
	}
}
