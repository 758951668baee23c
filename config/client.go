package config

import (
	"strings"
)

// Client holds the settings of the commands that call the HTTP API.
type Client struct {
	// URL of the API, without a slash at the end. Default http://127.0.0.1:8080.
	URL string `env:"OUBLI_URL" envDefault:"http://127.0.0.1:8080" want:"http://host:port or https://host, without user, query and fragment"`

	// Token is the bearer token. `oubli token` prints one for development. No
	// default.
	Token Secret `env:"OUBLI_TOKEN" want:"a bearer token"`
}

// LoadClient reads the environment for a command that calls the HTTP API; see
// [Load].
func LoadClient(environ []string, readFile func(string) ([]byte, error)) (Client, error) {
	var c Client
	r := newReader(environ, readFile)
	r.parse(&c)
	r.want("OUBLI_URL", validBaseURL(c.URL))
	c.URL = strings.TrimRight(c.URL, "/")
	r.want("OUBLI_TOKEN", !strings.ContainsFunc(c.Token.Reveal(), func(b rune) bool { return b <= ' ' || b > '~' }))
	r.missing("OUBLI_TOKEN")
	return c, r.problems()
}
