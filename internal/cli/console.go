package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/oubli/oubli/internal/apiclient"
	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/terminal"
)

func (c *cli) console() *cobra.Command {
	var s apiclient.ConsoleSession
	cmd := &cobra.Command{
		Use:   "console",
		Short: "Prints a link that signs a browser in to the console",
		Long: `Asks the API for a link into the console and prints it. The link is good once, for
a minute. The session has the tenant and the role of OUBLI_TOKEN. In production
the application asks for the link: POST /v1/console-sessions.`,
		Example: `  oubli console
  oubli console --locale de --path /console/jobs
  oubli console --tenant 7 --role viewer      # with a token for all tenants`,
		GroupID: groupUse,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, _, err := app.APIClient(c.env())
			if err != nil {
				return err
			}
			link, err := api.OpenConsole(cmd.Context(), s)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.stdout, terminal.Printable(link.URL))
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.TenantID, "tenant", "", "with a token for all tenants: whose console")
	f.StringVar(&s.Role, "role", "", "admin or viewer; default: the token's")
	f.StringVar(&s.Locale, "locale", "", "language of the pages; default: the browser's")
	f.StringVar(&s.Path, "path", "", "page to show first, such as /console/jobs")
	return cmd
}
