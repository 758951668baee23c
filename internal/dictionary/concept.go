package dictionary

// Concept is the kind of data that a column probably contains, according to its name.
type Concept int

// The concepts. If a name matches two, the first of them in this list is used, because
// missing it would be worse.
const (
	Unknown Concept = iota
	Birth           // and other days of a person's life
	Email
	Phone
	Bank
	Identity // numbers that authorities and insurers give to persons
	Health
	Gender // and other traits of a person
	Network
	Portrait
	Social
	Address
	FirstName
	LastName
	FullName
	Login
	Secret
	SomeName // of a person or of a thing
	FreeText
	Harmless
)

// Personal reports whether the concept is about a person in any table.
func (c Concept) Personal() bool { return c >= Birth && c <= Login }

// LooksPersonal reports whether a table with such a column looks as if it contains
// personal data, so that the map must explain it.
func (c Concept) LooksPersonal() bool {
	return c.Personal() && c != Address && c != Social && c != Portrait
}
