package repository

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/oubli/oubli/jobs"
)

var cursorSecret = uuid.MustParse("0d6f6a2e-8f0b-4a3c-9a57-3f2f5b9c1d11")

func TestACursorHidesTheKeyAndIsValidForItsListOnly(t *testing.T) {
	t.Parallel()
	const key = "anna.moreau@example.org"
	cursor := encryptCursor(cursorSecret, key)
	plain, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || strings.Contains(string(plain)+cursor, "anna") || !regexp.MustCompile(`^[A-Za-z0-9_-]{1,512}$`).MatchString(cursor) {
		t.Errorf("the cursor %q, %v", cursor, err)
	}
	if got, err := decryptCursor(cursorSecret, cursor); got != key || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if again := encryptCursor(cursorSecret, key); again != cursor {
		t.Errorf("a page asked for twice has the cursors %s and %s", cursor, again)
	}
	if longest := encryptCursor(cursorSecret, strings.Repeat("x", jobs.MaxKeyLength)); len(longest) > 512 {
		t.Errorf("a cursor of %d characters", len(longest))
	}
	other := uuid.MustParse("0d6f6a2e-8f0b-4a3c-9a57-3f2f5b9c1d12")
	for name, open := range map[string]func() (string, error){
		"of another job":    func() (string, error) { return decryptCursor(other, cursor) },
		"a key as it is":    func() (string, error) { return decryptCursor(cursorSecret, key) },
		"empty":             func() (string, error) { return decryptCursor(cursorSecret, "") },
		"a nonce alone":     func() (string, error) { return decryptCursor(cursorSecret, cursor[:16]) },
		"with a line break": func() (string, error) { return decryptCursor(cursorSecret, cursor[:8]+"\n"+cursor[8:]) },
	} {
		if got, err := open(); jobs.KindOf(err) != jobs.Invalid || got != "" {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

// FuzzCursor looks for a cursor that opens and was not made here.
func FuzzCursor(f *testing.F) {
	f.Add("4711", "")
	f.Add("anna@example.org", encryptCursor(cursorSecret, "anna@example.org"))
	f.Add("\x00", encryptCursor(cursorSecret, "' OR 1=1 --")+"A")
	f.Add("", strings.Repeat("A", 38))
	f.Fuzz(func(t *testing.T, key, cursor string) {
		if got, err := decryptCursor(cursorSecret, encryptCursor(cursorSecret, key)); got != key || err != nil {
			t.Fatalf("%q comes back as %q, %v", key, got, err)
		}
		got, err := decryptCursor(cursorSecret, cursor)
		if err == nil && encryptCursor(cursorSecret, got) != cursor {
			t.Fatalf("%q opens as %q, and was not made here", cursor, got)
		}
		if err != nil && jobs.KindOf(err) != jobs.Invalid {
			t.Fatalf("%q: %v", cursor, err)
		}
	})
}
