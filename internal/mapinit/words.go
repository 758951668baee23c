package mapinit

import "github.com/oubli/oubli/internal/dictionary"

// wordSet is a set of words as [words] gives them.
type wordSet = dictionary.Set

func setOf(text string) wordSet { return dictionary.SetOf(text) }

func words(name string) []string { return dictionary.Words(name) }

func joined(name string) string { return dictionary.Joined(name) }

func singular(list []string) []string { return dictionary.Singular(list) }

func among(list []string, any wordSet) bool { return dictionary.Among(list, any) }

func mentions(list []string, any wordSet) bool { return dictionary.Mentions(list, any) }
