package config

import (
	"fmt"
	"io"
)

const redacted = "[secret]"

// Secret is a value that is written as "[secret]" by fmt with every verb, by JSON,
// by text marshalling and by zerolog. Only Reveal returns it.
//
// The zero Secret is empty.
type Secret struct {
	// A pointer, because fmt cannot call the methods of a Secret in an
	// unexported field of another struct. It prints the field's content
	// instead, which for a pointer is an address.
	value *string
}

// NewSecret wraps a value.
func NewSecret(value string) Secret { return Secret{&value} }

// Reveal returns the value. Call it only where the value is used.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Empty reports whether the value is empty.
func (s Secret) Empty() bool { return s.Reveal() == "" }

// String does not return the value.
func (s Secret) String() string { return redacted }

// GoString does not return the value.
func (s Secret) GoString() string { return redacted }

// Format does not write the value, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText does not return the value.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON does not return the value.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// UnmarshalText sets the value.
func (s *Secret) UnmarshalText(b []byte) error {
	*s = NewSecret(string(b))
	return nil
}
