package console

// Words are the catalogues by language.
func Words() map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, c := range catalogues {
		all[c.tag] = c.words
	}
	return all
}
