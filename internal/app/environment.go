package app

import (
	"errors"

	"github.com/oubli/oubli/config"
)

// Environment is where the settings come from: environment variables, and the
// files that they name.
type Environment struct {
	Variables []string                     // KEY=value, as os.Environ gives them
	ReadFile  func(string) ([]byte, error) // os.ReadFile outside of tests
}

// SettingsError says that the program cannot start with these settings: a key
// is missing or wrong, or a file that a key names cannot be used.
type SettingsError struct{ Err error }

func (e *SettingsError) Error() string { return e.Err.Error() }

func (e *SettingsError) Unwrap() error { return e.Err }

// Lines has one line for each key that is wrong. It is empty when the mistake
// is not in a key.
func (e *SettingsError) Lines() []string {
	if p, ok := errors.AsType[*config.Problems](e.Err); ok {
		return p.Lines
	}
	return nil
}

// load reads the settings; an error is a [*SettingsError].
func (e Environment) load(needs ...config.Need) (config.Config, error) {
	cfg, err := config.Load(e.Variables, e.ReadFile, needs...)
	if err != nil {
		return cfg, &SettingsError{err}
	}
	return cfg, nil
}
