package app

import (
	"context"
	"time"

	"github.com/oubli/oubli/config"
	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/httpapi"
	"github.com/oubli/oubli/internal/mapinit"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/internal/schema"
	"github.com/oubli/oubli/internal/scrub"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// Migrate creates the control schema or brings it up to date, and returns its
// version before and after.
func Migrate(ctx context.Context, env Environment) (from, to int32, err error) {
	cfg, err := env.load(config.Database)
	if err != nil {
		return 0, 0, err
	}
	return repository.Migrate(ctx, cfg.DatabaseURL.Reveal())
}

// Compiled is what the configured map means for the configured database. Plan
// is nil when there are gaps.
type Compiled struct {
	MapFile   string
	Plan      *plan.Plan
	Gaps      plan.Gaps
	Warnings  []plan.Warning
	NotPlaced []plan.NotPlaced // only of Check
}

// Compile compares the configured map with the configured database. It reads
// only the catalog and needs no control schema. MapFile is set as well when the
// error is the map's own: erasuremap.Problems.
func Compile(ctx context.Context, env Environment) (Compiled, error) {
	c, _, _, err := compile(ctx, env)
	return c, err
}

// Check is [Compile] that looks at rows too: it samples the columns that the map says
// nothing about, and tries what the map writes in a transaction that is rolled back.
func Check(ctx context.Context, env Environment) (Compiled, error) {
	c, m, url, err := compile(ctx, env)
	if err != nil {
		return c, err
	}
	held, open, err := schema.Place(ctx, url, m, c.Gaps)
	if err != nil {
		return c, err
	}
	if len(c.Gaps) == 0 {
		refused, untried, err := schema.Try(ctx, url, c.Plan)
		if err != nil {
			return c, err
		}
		c.Gaps, c.Warnings = append(c.Gaps, refused...), append(c.Warnings, untried...)
	}
	c.Gaps, c.NotPlaced = append(c.Gaps, held...), open
	return c, nil
}

func compile(ctx context.Context, env Environment) (c Compiled, m *erasuremap.Map, url string, err error) {
	cfg, err := env.load(config.Database, config.Map)
	if err != nil {
		return c, nil, "", err
	}
	c.MapFile, url = cfg.Map, cfg.DatabaseURL.Reveal()
	if m, err = erasuremap.Load(cfg.Map); err != nil {
		return c, nil, "", &SettingsError{err}
	}
	c.Plan, c.Gaps, c.Warnings, err = schema.Check(ctx, url, m)
	return c, m, url, err
}

// DraftMap writes a first map from the configured database.
func DraftMap(ctx context.Context, env Environment, o mapinit.Options) (mapinit.Draft, error) {
	cfg, err := env.load(config.Database)
	if err != nil {
		return mapinit.Draft{}, err
	}
	catalog, facts, err := schema.Survey(ctx, cfg.DatabaseURL.Reveal(), o)
	if err != nil {
		return mapinit.Draft{}, err
	}
	return mapinit.Write(catalog, facts, o)
}

// OpenScrubber connects to the configured database, to look for what erased
// values are left on its disk and to remove them.
func OpenScrubber(ctx context.Context, env Environment) (*scrub.Scrubber, error) {
	cfg, err := env.load(config.Database, config.Map)
	if err != nil {
		return nil, err
	}
	m, err := erasuremap.Load(cfg.Map)
	if err != nil {
		return nil, &SettingsError{err}
	}
	return scrub.Open(ctx, cfg.DatabaseURL.Reveal(), m)
}

// APIClient returns a client of the configured HTTP API, and its base URL.
func APIClient(env Environment) (*apiclient.Client, string, error) {
	cfg, err := config.LoadClient(env.Variables, env.ReadFile)
	if err != nil {
		return nil, "", &SettingsError{err}
	}
	return apiclient.New(cfg.URL, cfg.Token.Reveal()), cfg.URL, nil
}

// MintToken returns a bearer token for the caller, signed with the configured
// secret.
func MintToken(env Environment, caller jobs.Caller, ttl time.Duration) (string, error) {
	cfg, err := env.load(config.Signing)
	if err != nil {
		return "", err
	}
	return httpapi.Mint([]byte(cfg.AuthSecret.Reveal()), caller, ttl)
}
