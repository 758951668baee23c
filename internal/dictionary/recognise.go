package dictionary

import (
	"slices"
	"strings"
)

// Recognise returns the concept of a column's name: that of the longest match.
func Recognise(name string) Concept {
	list := Words(name)
	best, length := Unknown, 0
	for i := range list {
		for j := i + 1; j <= len(list); j++ {
			word := strings.Join(list[i:j], "")
			for c := Birth; c <= Harmless; c++ {
				if c == Harmless && j < len(list) && !(i == 0 && heads[word]) {
					continue
				}
				if conceptWords[c][word] && (j-i > length || j-i == length && c < best) {
					best, length = c, j-i
				}
			}
		}
	}
	last := ""
	if len(list) > 0 {
		last = list[len(list)-1]
	}
	switch {
	case best > SomeName && best < Harmless && conceptWords[Harmless][last]:
		return Harmless // note_type contains the type of a note, not its text
	case best == Secret && conceptWords[Harmless][last]:
		return Harmless
	case best == Unknown && len(list) <= 2 && Persons[last]:
		return FullName // a text in a column named recipient
	case best == SomeName || best == Unknown:
		return nameOf(list, best)
	case best == Portrait && last == "url" && length == 1 && !slices.ContainsFunc(list, func(w string) bool { return Persons[w] }):
		return Portrait
	}
	return best
}

// RecogniseIn is [Recognise] for a column of a table: "name" in a table of persons is
// the name of a person.
func RecogniseIn(table, column string) Concept {
	known, bare := Recognise(column), Joined(column)
	if known == SomeName && conceptWords[SomeName][bare] && Among(Singular(Words(table)), Persons) {
		return FullName
	}
	return known
}

// nameOf reports whether a column contains the name of a person or of a thing, if its
// words show that: client_name, nom_du_client, Kundenname.
func nameOf(list []string, otherwise Concept) Concept {
	for i, w := range list {
		for _, suffix := range []string{"name", "nom", "nombre", "nome", "naam"} {
			before, ok := strings.CutSuffix(w, suffix)
			if !ok {
				continue
			}
			isPerson := func(w string) bool { return Persons[w] }
			if Persons[before] || before == "" && (i > 0 && Persons[list[i-1]] || slices.ContainsFunc(list[i+1:], isPerson)) {
				return FullName
			}
		}
	}
	return otherwise
}

// PersonalKeys lists the words by which keys inside JSON are recognised as personal.
func PersonalKeys() []string {
	var list []string
	for c := Birth; c <= Login; c++ {
		for w := range conceptWords[c] {
			list = append(list, w)
		}
	}
	for w := range conceptWords[FreeText] {
		list = append(list, w)
	}
	list = append(list, "name", "nom", "nombre", "nome", "naam")
	slices.Sort(list)
	return slices.Compact(list)
}

// StructuralKeys are common JSON keys whose values are objects.
func StructuralKeys() []string {
	list := strings.Fields(`data attributes changes before after old new previous current payload meta metadata details info
		profile object record from to params value values`)
	for w := range Persons {
		list = append(list, w)
	}
	slices.Sort(list)
	return slices.Compact(append(list, PersonalKeys()...))
}

// keyEnds are the words with which a reference's name ends.
var keyEnds = SetOf("id ids uuid guid ref refs no nr number key")

// NamesClient reports whether a column is named like a client, or like a reference to
// one: customer, customer_id, invited_guest_uuid, id_cliente.
func NamesClient(name string) bool {
	list := Words(name)
	for n := len(list); n > 1 && keyEnds[list[n-1]]; n = len(list) {
		list = list[:n-1]
	}
	if len(list) == 0 {
		return false
	}
	last := Singular(list[len(list)-1:])[0]
	bare := len(list) == len(Words(name))
	return Clients[last] && (!bare || len(list) == 1) || len(list) == 2 && keyEnds[list[0]] && Clients[list[1]]
}
