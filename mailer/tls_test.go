package mailer

import (
	"testing"

	"github.com/oubli/oubli/jobs"
)

func TestWithoutTheMandatoryTLSNothingIsSent(t *testing.T) {
	t.Parallel()
	s := (&server{}).start(t)
	err := s.mailer(t, func(o *Options) { o.TLS = TLSMandatory }).Send(t.Context(), sample("en", jobs.Completed))
	wantError(t, err, jobs.Unavailable, "smtp_tls")
	if len(s.received) != 0 {
		t.Error("a mail was sent without TLS")
	}
}

func TestTLSHoldsUnderEveryPolicyThatUsesIt(t *testing.T) {
	t.Parallel()
	config, roots := certificate(t)
	for name, c := range map[string]struct {
		implicit bool
		policy   TLSPolicy
	}{
		"STARTTLS mandatory":     {false, TLSMandatory},
		"STARTTLS opportunistic": {false, TLSOpportunistic},
		"implicit":               {true, TLSMandatory},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := (&server{tls: config, wrap: c.implicit, user: "oubli"}).start(t)
			known := func(o *Options) {
				o.TLS, o.ImplicitTLS, o.User, o.Password, o.RootCAs = c.policy, c.implicit, "oubli", "secret", roots
			}
			if err := s.mailer(t, known).Send(t.Context(), sample("en", jobs.Completed)); err != nil {
				t.Errorf("with a valid certificate: %v", err)
			}
			unknown := func(o *Options) { o.TLS, o.ImplicitTLS = c.policy, c.implicit }
			err := s.mailer(t, unknown).Send(t.Context(), sample("en", jobs.Completed))
			wantError(t, err, jobs.Unavailable, "smtp_tls")
			if len(s.received) != 1 {
				t.Errorf("%d mails arrived, want the first alone", len(s.received))
			}
		})
	}
}

func TestOpportunisticTLSGoesWithoutWhenNoneIsOffered(t *testing.T) {
	t.Parallel()
	s := (&server{}).start(t)
	if err := s.mailer(t, func(o *Options) { o.TLS = TLSOpportunistic }).Send(t.Context(), sample("en", jobs.Completed)); err != nil {
		t.Error(err)
	}
}

func TestARefusedLoginIsAMatterOfConfiguration(t *testing.T) {
	t.Parallel()
	s := (&server{user: "oubli"}).start(t)
	err := s.mailer(t, func(o *Options) { o.User, o.Password = "oubli", "wrong" }).Send(t.Context(), sample("en", jobs.Completed))
	wantError(t, err, jobs.Unavailable, "smtp_535")
}

func TestAServerWithoutLoginIsAMatterOfConfiguration(t *testing.T) {
	t.Parallel()
	s := (&server{}).start(t)
	err := s.mailer(t, func(o *Options) { o.User, o.Password = "oubli", "wrong" }).Send(t.Context(), sample("en", jobs.Completed))
	wantError(t, err, jobs.Unavailable, "smtp_login")
}
