package local

import (
	"regexp"
	"strconv"

	"github.com/emersion/go-smtp"
)

type stage int

const (
	atRecipient stage = iota
	atData
	afterData
)

// trouble is the failure that an address asks for.
type trouble struct {
	stage stage
	code  int
	times int // 0: always
}

var troublePattern = regexp.MustCompile(`\+(?:(data)?([45][0-9][0-9])|(drop))(?:x([0-9]{1,6}))?@[^@]*$`)

func troubleOf(to string) (trouble, bool) {
	m := troublePattern.FindStringSubmatch(to)
	if m == nil {
		return trouble{}, false
	}
	var t trouble
	t.code, _ = strconv.Atoi(m[2])
	t.times, _ = strconv.Atoi(m[4])
	switch {
	case m[1] != "":
		t.stage = atData
	case m[3] != "":
		t.stage = afterData
	}
	return t, true
}

func (t trouble) reply() *smtp.SMTPError {
	// RFC 3463: X.1.0 is "other address status".
	return &smtp.SMTPError{
		Code:         t.code,
		EnhancedCode: smtp.EnhancedCode{t.code / 100, 1, 0},
		Message:      "as the address asked",
	}
}
