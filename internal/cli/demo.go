package cli

import (
	"github.com/spf13/cobra"

	"github.com/oubli/oubli/internal/demo"
)

func (c *cli) demo() *cobra.Command {
	o := demo.Options{Out: c.stdout, Err: c.stderr, Draws: c.draws}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Shows everything at once on this machine, no set-up needed",
		Long: `Starts a private PostgreSQL, Redis and mail inbox, seeds four studios with
clients, and erases those who have been inactive for a year: through the HTTP
API, asynq, and batched workers. It prints what happens, the administrators'
mail, and the proof. Then it stays up for you to look around, until Ctrl-C.
Nothing is left behind.`,
		Example: `  oubli demo
  oubli demo --once --clients 5000     # end when the story has ended
  oubli demo --listen 127.0.0.1:8080`,
		GroupID: groupStart,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Clients < 100 || o.Clients > 5_000_000 {
				return usage("--clients: want 100..5000000, got %d", o.Clients)
			}
			return demo.Run(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.Once, "once", false, "end when the story has ended; exit code 0 when it ended well")
	cmd.Flags().IntVar(&o.Clients, "clients", 20_000, "how many clients the studios have")
	cmd.Flags().StringVar(&o.Listen, "listen", "", "address of the HTTP API (default 127.0.0.1:8080, or a free port when that is taken)")
	return cmd
}
