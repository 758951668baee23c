package config

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"filippo.io/age"
)

// NoLedger is the value of OUBLI_LEDGER_URL that stops writing a ledger for a database
// that has one.
const NoLedger = "none"

// maxRecipients bounds how often the key of each object is encrypted.
const maxRecipients = 16

// Recipients are public keys of age, for whom the ledger is encrypted.
type Recipients []age.Recipient

// UnmarshalText reads public keys between commas, spaces or lines. Errors do not quote
// them: somebody may have put the secret key here.
func (r *Recipients) UnmarshalText(b []byte) error {
	keys := strings.FieldsFunc(string(b), func(c rune) bool { return strings.ContainsRune(", \t\r\n", c) })
	if len(keys) == 0 || len(keys) > maxRecipients {
		return fmt.Errorf("want 1..%d keys", maxRecipients)
	}
	if slices.ContainsFunc(keys, func(k string) bool { return strings.HasPrefix(strings.ToUpper(k), "AGE-SECRET-KEY") }) {
		return errors.New("want public keys")
	}
	all, err := age.ParseRecipients(strings.NewReader(strings.Join(keys, "\n")))
	if err != nil {
		return errors.New("want public keys of age")
	}
	*r = all
	return nil
}

// checkLedger reports what of the ledger's settings cannot work.
func (c *Config) checkLedger(r *reader) {
	r.want("OUBLI_LEDGER_URL", validLedgerURL(c.LedgerURL))
	r.want("OUBLI_LEDGER_SECRET", len(c.LedgerSecret.Reveal()) >= minAuthSecret)
	if !c.HasLedger() {
		for key, set := range map[string]bool{
			"OUBLI_LEDGER_RECIPIENTS": len(c.LedgerRecipients) > 0, "OUBLI_LEDGER_IDENTITY_FILE": c.LedgerIdentityFile != "",
		} {
			if set {
				r.add(key, "set without OUBLI_LEDGER_URL")
			}
		}
	}
	if c.LedgerIdentityFile == "" {
		return
	}
	b, err := r.readFile(c.LedgerIdentityFile)
	if err != nil {
		r.add("OUBLI_LEDGER_IDENTITY_FILE", "cannot read the file: %v", causeOf(err))
		return
	}
	if c.LedgerIdentities, err = age.ParseIdentities(strings.NewReader(string(b))); err != nil {
		r.add("OUBLI_LEDGER_IDENTITY_FILE", "want secret keys of age, as age-keygen writes them")
	}
}

// HasLedger reports whether a ledger is configured.
func (c *Config) HasLedger() bool { return c.LedgerURL != "" && c.LedgerURL != NoLedger }

func validLedgerURL(s string) bool {
	u, err := url.Parse(s)
	switch {
	case s == NoLedger:
		return true
	case err != nil || u.User != nil || u.Fragment != "":
		return false
	case u.Scheme == "file":
		return u.Host == "" && path.IsAbs(u.Path) && u.RawQuery == ""
	}
	return u.Scheme == "s3" && u.Host != ""
}
