package config_test

import (
	"fmt"
	"os"

	"github.com/oubli/oubli/config"
)

// Every mistake is reported at once. Each line begins with the key to change.
func ExampleLoad() {
	environ := []string{
		"OUBLI_REDIS_URL=redis://localhost:6379/0",
		"OUBLI_CHUNK_TARGET=0s",
		"OUBLI_CONCURENCY=4",
	}
	_, err := config.Load(environ, os.ReadFile, config.Database, config.Queue)
	fmt.Println(err)
	// Output:
	// OUBLI_DATABASE_URL: not set; want postgres://user:password@host:5432/database (or its file in OUBLI_DATABASE_URL_FILE)
	// OUBLI_CHUNK_TARGET: want 10ms..5s, got 0s
	// OUBLI_CONCURENCY: unknown key; the most similar known key is OUBLI_CONCURRENCY
}

// A secret is always printed as a placeholder. Reveal returns its value.
func ExampleSecret() {
	password := config.NewSecret("swordfish")
	fmt.Printf("%v %+v %#v %q\n", password, password, password, password)
	fmt.Println(len(password.Reveal()), "bytes")
	// Output:
	// [secret] [secret] [secret] [secret]
	// 9 bytes
}

// The defaults of smtp:// are safe: port 587, and no mail is sent without STARTTLS.
func ExampleParseSMTP() {
	s, err := config.ParseSMTP("smtp://oubli:swordfish@mail.example.org")
	fmt.Println(s.Host, s.Port, s.TLS, s.Password, err)
	// Output:
	// mail.example.org 587 mandatory [secret] <nil>
}

// A URL of Redis may name several hosts; missing ports are filled in.
func ExampleParseRedis() {
	r, err := config.ParseRedis("redis-sentinel://:swordfish@first,second:26380/main")
	fmt.Println(r, r.Hosts(), err)
	// Output:
	// [secret] [first:26379 second:26380] <nil>
}
