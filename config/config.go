package config

import (
	"runtime"
	"time"

	"filippo.io/age"
)

// Config holds the settings of the server, of the workers, and of the commands
// that use the database. A field's env tag has its key. Its want tag says which
// values are valid, and is quoted in errors.
type Config struct {
	// DatabaseURL is the URL of the application's database, which also contains
	// schema oubli. No default.
	DatabaseURL Secret `env:"OUBLI_DATABASE_URL" want:"postgres://user:password@host:5432/database"`

	// Redis is where hints are sent to the workers. No default.
	//
	//	redis://user:password@host:6379/0     one server; rediss:// with TLS
	//	redis-sentinel://host1,host2/master   see [ParseRedis]
	//	redis-cluster://host1,host2           see [ParseRedis]
	Redis Redis `env:"OUBLI_REDIS_URL" want:"redis://, rediss://, redis-sentinel://host1,host2/master or redis-cluster://host1,host2"`

	// Map is the path of the erasure map. Default oubli.yaml.
	Map string `env:"OUBLI_MAP" envDefault:"oubli.yaml" want:"the path of a map that can be read"`

	// Listen is the address of the HTTP API, host:port or :port. Port 0
	// means any free port. Default :8080, on every interface.
	Listen string `env:"OUBLI_LISTEN" envDefault:":8080" want:"host:port or :port"`

	// OpsListen is the address of the dashboard, the metrics and the health
	// checks, host:port or :port. Any address but loopback requires OpsPassword.
	// Default 127.0.0.1:9090.
	OpsListen string `env:"OUBLI_OPS_LISTEN" envDefault:"127.0.0.1:9090" want:"host:port or :port"`

	// OpsPassword protects the ops listener with basic authentication. Empty
	// leaves it open, which is allowed on loopback only. No default.
	OpsPassword Secret `env:"OUBLI_OPS_PASSWORD" want:"a password"`

	// DashboardWritable allows people to delete and run hints on the dashboard.
	// Default false: the dashboard is read-only.
	DashboardWritable bool `env:"OUBLI_DASHBOARD_WRITABLE" envDefault:"false" want:"true or false"`

	// AuthSecret verifies bearer tokens signed with HS256; at least 32 bytes,
	// because a shorter one is weaker than the signature (RFC 7518 § 3.2).
	// Exactly one of AuthSecret and AuthPublicKeyFile is set.
	AuthSecret Secret `env:"OUBLI_AUTH_SECRET" want:"at least 32 bytes"`

	// AuthSecretPrevious is a second secret for HS256, at least 32 bytes. Tokens
	// signed with it are valid too, so that the secret can be replaced without
	// an interruption: it is the old secret or the next one. It may also be set
	// together with AuthPublicKeyFile, to change from a secret to public keys.
	// No default.
	AuthSecretPrevious Secret `env:"OUBLI_AUTH_SECRET_PREVIOUS" want:"at least 32 bytes, other than OUBLI_AUTH_SECRET"`

	// AuthPublicKeyFile is the path of a PEM file with the Ed25519 or RSA (at
	// least 2048 bits) keys that verify bearer tokens signed with EdDSA or
	// RS256. Up to 16 are valid at the same time, so that keys can be replaced
	// without an interruption. No default.
	AuthPublicKeyFile string `env:"OUBLI_AUTH_PUBLIC_KEY_FILE" want:"the path of a PEM file with Ed25519 or RSA public keys"`

	// AuthPublicKeys is the content of AuthPublicKeyFile: PEM blocks of type
	// PUBLIC KEY, all of them checked. Empty without the file.
	AuthPublicKeys []byte `env:"-"`

	// LimitRequests is how many requests per second the API accepts from one
	// caller, which is a subject of a tenant. A burst may be as large as ten
	// seconds allow. 0..1000000, 0 means no limit. Default 200.
	LimitRequests int `env:"OUBLI_LIMIT_REQUESTS" envDefault:"200" want:"0..1000000"`

	// LimitBytes is how many bytes of request bodies per second the API accepts
	// from one caller. A burst may be as large as eight seconds allow. 0 means no
	// limit; any other value is at least 1048576, so that the largest body fits.
	// Default 8388608.
	LimitBytes int `env:"OUBLI_LIMIT_BYTES" envDefault:"8388608" want:"0 or 1048576..1073741824"`

	// LimitFailures is how many failed authentications per minute are allowed
	// from one network address, at the API and at the ops listener. 0..1000000,
	// 0 means no limit. Default 60.
	LimitFailures int `env:"OUBLI_LIMIT_FAILURES" envDefault:"60" want:"0..1000000"`

	// SMTP is the server through which mail is sent; see [ParseSMTP]. No default.
	SMTP SMTP `env:"OUBLI_SMTP_URL" want:"smtp://user:password@host:587?tls=mandatory|opportunistic|none or smtps://user:password@host:465"`

	// MailFrom is the sender, "oubli@example.com" or "Name <oubli@example.com>".
	// The address is ASCII, an international domain in its xn-- form. No default.
	MailFrom string `env:"OUBLI_MAIL_FROM" want:"an address in ASCII, name@example.com or Name <name@example.com>"`

	// PublicURL is the URL of the application in which administrators see jobs.
	// Mails link to it. No slash at the end. Empty, the default: no link.
	PublicURL string `env:"OUBLI_PUBLIC_URL" want:"http://host or https://host, without user, query and fragment"`

	// Console serves the pages for administrators beside the API. Default true.
	Console bool `env:"OUBLI_CONSOLE" envDefault:"true" want:"true or false"`

	// ConsoleURL is the URL before /console/. Empty, the default: the host of
	// the request.
	ConsoleURL string `env:"OUBLI_CONSOLE_URL" want:"http://host or https://host, without user, query and fragment"`

	// ConsoleFrameAncestors are the sites that may show the console in a frame,
	// separated by spaces. Empty, the default: none.
	ConsoleFrameAncestors string `env:"OUBLI_CONSOLE_FRAME_ANCESTORS" want:"https://host, several separated by spaces"`

	// Environment is shown in a banner on each page. Empty, the default: none.
	Environment string `env:"OUBLI_ENVIRONMENT" want:"a word such as staging"`

	// EventsURL is where changes of the states of jobs are sent, as Standard
	// Webhooks. It cannot have a user, a query or a fragment. Empty, the
	// default: they are not sent.
	EventsURL string `env:"OUBLI_EVENTS_URL" want:"https://host/path, or http:// together with OUBLI_EVENTS_PRIVATE=true"`

	// EventsSecret signs the requests to EventsURL. No default.
	EventsSecret Secret `env:"OUBLI_EVENTS_SECRET" want:"whsec_ and 24 to 64 random bytes in base64"`

	// EventsPrivate allows an address of EventsURL that is private, on this
	// machine or link-local. Default false: the connection is refused.
	EventsPrivate bool `env:"OUBLI_EVENTS_PRIVATE" envDefault:"false" want:"true or false"`

	// LogLevel is the lowest level that is logged. Default info.
	LogLevel string `env:"OUBLI_LOG_LEVEL" envDefault:"info" want:"trace, debug, info, warn or error"`

	// Concurrency is the number of worker slots in this process, 1..512.
	// Default: the number of CPUs, at least 2.
	Concurrency int `env:"OUBLI_CONCURRENCY" want:"1..512"`

	// BatchClients is the number of clients in a batch, which is one task of an
	// erasure, 1..10000. Default 1000.
	BatchClients int `env:"OUBLI_BATCH_CLIENTS" envDefault:"1000" want:"1..10000"`

	// ChunkTarget is the transaction time that the chunk size aims for,
	// 10ms..5s. Default 100ms.
	ChunkTarget time.Duration `env:"OUBLI_CHUNK_TARGET" envDefault:"100ms" want:"10ms..5s"`

	// TraceEndpoint is the base URL of an OpenTelemetry collector that accepts
	// OTLP over HTTP. The key is the one of the OpenTelemetry specification.
	// Empty, the default: no spans are sent.
	TraceEndpoint string `env:"OTEL_EXPORTER_OTLP_ENDPOINT" want:"http://host:4318 or https://host"`

	// WorkShare is the percentage of its time in which a worker slot works,
	// 1..100; in the rest it pauses, so that the database has time for others.
	// Default 100.
	WorkShare int `env:"OUBLI_WORK_SHARE" envDefault:"100" want:"1..100, a percentage"`

	// MaxReplicaLagMiB makes workers wait while a replica of the database lags
	// by more than this, in MiB of the write-ahead log. The workers' role then
	// needs pg_read_all_stats. Default 0: they do not check.
	MaxReplicaLagMiB int `env:"OUBLI_MAX_REPLICA_LAG_MIB" envDefault:"0" want:"0..1048576, MiB"`

	// MaxActiveSessions makes workers wait while the database has more active
	// sessions of other programs than this. The workers' role then needs
	// pg_read_all_stats. Default 0: they do not check.
	MaxActiveSessions int `env:"OUBLI_MAX_ACTIVE_SESSIONS" envDefault:"0" want:"0..100000"`

	// LedgerURL is where what is erased is recorded outside the database, so that a
	// restored backup is noticed and those who came back are erased again. If it is
	// set, nothing is erased without it. Credentials of S3 are not part of it: they
	// come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or from AWS's own files
	// and metadata. Empty, the default: there is no ledger. A database that has one
	// needs it, or [NoLedger].
	LedgerURL string `env:"OUBLI_LEDGER_URL" want:"file:///dir, s3://bucket/prefix?endpoint=…&region=… or none"`

	// LedgerRecipients are the age public keys for which the ledger is encrypted,
	// separated by commas; up to 16. Workers need at least one. No default.
	LedgerRecipients Recipients `env:"OUBLI_LEDGER_RECIPIENTS" want:"1..16 public keys of age, age1…, separated by commas"`

	// LedgerIdentityFile is the path of a file with age secret keys that can read the
	// ledger. It belongs offline. A worker that has it starts a replay by itself.
	// Empty, the default: somebody runs oubli replay.
	LedgerIdentityFile string `env:"OUBLI_LEDGER_IDENTITY_FILE" want:"the path of a file with secret keys of age"`

	// LedgerIdentities are the keys of LedgerIdentityFile.
	LedgerIdentities []age.Identity `env:"-"`

	// LedgerSecret is the key of the fingerprints by which a replay tells a client
	// from a later one with the same key; at least 32 bytes. Workers and replay need
	// the same, for as long as the ledger is kept. No default.
	LedgerSecret Secret `env:"OUBLI_LEDGER_SECRET" want:"at least 32 bytes"`

	// Grace is how long a job waits before it starts, unless its request has
	// not_before, 0s..720h: GDPR Art. 12(3) allows one month in all. Default 0s.
	Grace time.Duration `env:"OUBLI_GRACE" envDefault:"0s" want:"0s..720h"`
}

// Need is a setting that a command requires.
type Need int

// The needs. A key that is set must be valid, even if the command does not need
// it. A key that the command needs must also be set.
const (
	Database Need = iota // OUBLI_DATABASE_URL
	Queue                // OUBLI_REDIS_URL
	Map                  // the file of OUBLI_MAP can be read
	Auth                 // OUBLI_AUTH_SECRET or OUBLI_AUTH_PUBLIC_KEY_FILE
	Signing              // OUBLI_AUTH_SECRET, to sign tokens
	Mail                 // OUBLI_SMTP_URL and OUBLI_MAIL_FROM
	Ledger               // with OUBLI_LEDGER_URL also OUBLI_LEDGER_RECIPIENTS and OUBLI_LEDGER_SECRET
)

// defaults returns the default values that cannot be written in a tag.
func defaults() Config {
	return Config{Concurrency: max(2, runtime.NumCPU())}
}

// Load reads the settings from environ, which has the form of os.Environ. It reads
// the files that they name with readFile, which is os.ReadFile except in tests.
// The error is a [*Problems] with every mistake.
func Load(environ []string, readFile func(string) ([]byte, error), needs ...Need) (Config, error) {
	c := defaults()
	r := newReader(environ, readFile)
	r.parse(&c)
	c.check(r)
	c.require(r, needs)
	return c, r.problems()
}
