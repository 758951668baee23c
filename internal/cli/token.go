package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/jobs"
)

// maxTTL bounds tokens minted here: they are for development, and nobody can
// revoke them.
const maxTTL = 30 * 24 * time.Hour

func (c *cli) token() *cobra.Command {
	var caller jobs.Caller
	var ttl time.Duration
	cmd := &cobra.Command{
		Use:   "token --tenant T --role admin --subject S --email E",
		Short: "Mints a token for development",
		Long: `Mints a bearer token for development, signed with OUBLI_AUTH_SECRET, and prints
it. In production the application mints its own: a JWT (HS256, or EdDSA or RS256
with OUBLI_AUTH_PUBLIC_KEY_FILE) with the claims aud "oubli", exp, sub, email,
tenant and role.`,
		Example: `  export OUBLI_TOKEN=$(oubli token --tenant 7 --role admin --subject me --email me@example.com)
  oubli token --tenant '*' --role admin --subject backend --email ops@example.com --ttl 15m`,
		GroupID: groupUse,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if caller.Role != jobs.Admin && caller.Role != jobs.Viewer {
				return usage("--role: want admin or viewer, got %s", caller.Role)
			}
			for flag, value := range map[string]string{"tenant": caller.Tenant, "subject": caller.Subject, "email": caller.Email} {
				if value == "" {
					return usage("--%s: want a value, got none", flag)
				}
			}
			if ttl < time.Second || ttl > maxTTL {
				return usage("--ttl: want 1s..%s, got %s", maxTTL, ttl)
			}
			token, err := app.MintToken(c.env(), caller, ttl)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.stdout, token)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&caller.Tenant, "tenant", "", "tenant's id, or '*' for a service that names the tenant in each request")
	f.StringVar((*string)(&caller.Role), "role", "", "admin (may change) or viewer (may read)")
	f.StringVar(&caller.Subject, "subject", "", "who the token stands for")
	f.StringVar(&caller.Email, "email", "", "address that gets the mail when a job of theirs ends")
	f.DurationVar(&ttl, "ttl", time.Hour, "how long the token is valid")
	for _, name := range []string{"tenant", "role", "subject", "email"} {
		_ = cmd.MarkFlagRequired(name)
	}
	return cmd
}
