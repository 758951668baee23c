package config

import (
	"fmt"
	"io"
)

const redacted = "[secret]"

// Secret is a value that prints as "[secret]" through fmt with every verb,
// JSON, text marshalling and zerolog. Reveal is the only way out.
//
// The zero Secret is empty.
type Secret struct {
	// A pointer, because fmt cannot call methods on unexported fields of other
	// structs: it prints their memory instead, and of a pointer that is an
	// address only.
	value *string
}

// NewSecret wraps a value.
func NewSecret(value string) Secret { return Secret{&value} }

// Reveal gives the value itself, for the one place that must hand it on.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Empty reports whether there is nothing to reveal.
func (s Secret) Empty() bool { return s.Reveal() == "" }

// String does not give the value.
func (s Secret) String() string { return redacted }

// GoString does not give the value.
func (s Secret) GoString() string { return redacted }

// Format does not write the value, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText does not give the value.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON does not give the value.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// UnmarshalText takes the value over as it stands.
func (s *Secret) UnmarshalText(b []byte) error {
	*s = NewSecret(string(b))
	return nil
}
