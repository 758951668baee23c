package app

import (
	"context"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/oubli/oubli/config"
	"github.com/oubli/oubli/internal/console"
	"github.com/oubli/oubli/internal/events"
	"github.com/oubli/oubli/internal/httpapi"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/mailer"
	"github.com/oubli/oubli/repository"
	"github.com/oubli/oubli/worker"
)

func (s *Service) startAPI() error {
	verifier, err := httpapi.NewVerifier(verifierOptions(s.cfg))
	if err != nil {
		return &SettingsError{err}
	}
	wakes := waking{s.store, s.dispatcher, s.tracer}
	stores := httpapi.Stores{Jobs: s.store, Controls: wakes, Erasures: wakes, Merges: wakes, Selections: s.store,
		Clients: s.store, Retention: s.store}
	hub := events.NewHub(events.HubOptions{Store: s.store, Log: s.log})
	s.stopPart("streams of events", func(context.Context) error { hub.Stop(); return nil })
	var sessions httpapi.ConsoleStore
	if s.cfg.Console {
		sessions = s.store
	}
	handler, err := httpapi.New(httpapi.Options{
		Console:    sessions,
		ConsoleURL: s.cfg.ConsoleURL,
		Stores:     stores,
		Waiter:     hub,
		Feed:       hub,
		Tracer:     s.tracer,
		Verifier:   verifier,
		Log:        s.log,
		Version:    Version(),
		Observe:    s.metrics.ObserveRequest,
		Limits:     limitsOf(s.cfg),
		Refuse:     s.ledger.Restored,
	})
	if err != nil {
		return err
	}
	if s.cfg.Console {
		if handler, err = s.withConsole(handler, wakes, hub); err != nil {
			return err
		}
	}
	s.APIAddr, err = s.serve("API", s.cfg.Listen, httpapi.NewServer(handler, s.cfg.Listen))
	return err
}

// withConsole serves the console beside the API.
func (s *Service) withConsole(api http.Handler, wakes waking, hub *events.Hub) (http.Handler, error) {
	pages, err := console.New(console.Options{
		Sessions: s.store, Jobs: s.store, Steps: wakes, Waiter: hub, Kept: s.store, Log: s.log,
		Formats:        console.Formats{Reason: mailer.Reason, Number: mailer.Number, Date: mailer.Date},
		FrameAncestors: s.cfg.ConsoleFrameAncestors, Environment: s.cfg.Environment, Refuse: s.ledger.Restored,
	})
	if err != nil {
		return nil, err
	}
	// Not a ServeMux: it would redirect paths that the API answers with 404.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/console/") {
			pages.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	}), nil
}

// startWebhook delivers events, if there is an address for them.
func (s *Service) startWebhook() {
	if s.cfg.EventsURL == "" {
		return
	}
	sender := events.NewSender(events.SenderOptions{
		Store: s.store, URL: s.cfg.EventsURL, Key: s.cfg.EventsKey(), Private: s.cfg.EventsPrivate, Log: s.log,
		Retrying: func() { s.metrics.Count(jobs.WebhookRetried, 1) },
	})
	s.stopPart("delivery of events", func(context.Context) error { sender.Stop(); return nil })
}

func verifierOptions(cfg config.Config) httpapi.VerifierOptions {
	var o httpapi.VerifierOptions
	for _, secret := range []config.Secret{cfg.AuthSecret, cfg.AuthSecretPrevious} {
		if !secret.Empty() {
			o.Secrets = append(o.Secrets, []byte(secret.Reveal()))
		}
	}
	if len(cfg.AuthPublicKeys) > 0 {
		o.PublicKeys = [][]byte{cfg.AuthPublicKeys}
	}
	return o
}

// limitsOf turns the settings' "0 takes all" into the API's words.
func limitsOf(cfg config.Config) httpapi.Limits {
	l := httpapi.Limits{Requests: cfg.LimitRequests, Bytes: cfg.LimitBytes, Failures: cfg.LimitFailures}
	for _, n := range []*int{&l.Requests, &l.Bytes, &l.Failures} {
		if *n == 0 {
			*n = -1
		}
	}
	return l
}

// waking lets the dispatcher send hints at once after a request that makes tasks
// due, its mails included.
type waking struct {
	*repository.Store
	dispatcher *worker.Dispatcher
	tracer     trace.Tracer
}

func (k waking) AcceptErasure(ctx context.Context, req jobs.ErasureRequest, key jobs.IdempotencyKey) (jobs.Job, bool, error) {
	return k.accept(ctx, func(ctx context.Context) (jobs.Job, bool, error) { return k.Store.AcceptErasure(ctx, req, key) })
}

func (k waking) AcceptMerge(ctx context.Context, req jobs.MergeRequest, key jobs.IdempotencyKey) (jobs.Job, bool, error) {
	return k.accept(ctx, func(ctx context.Context) (jobs.Job, bool, error) { return k.Store.AcceptMerge(ctx, req, key) })
}

func (k waking) accept(ctx context.Context, store func(context.Context) (jobs.Job, bool, error)) (jobs.Job, bool, error) {
	ctx, span := k.tracer.Start(ctx, "accept job")
	job, replayed, err := store(ctx)
	span.SetAttributes(attribute.String("oubli.job", job.ID), attribute.Int("oubli.clients", job.Requested))
	span.End()
	k.wake(err)
	return job, replayed, err
}

func (k waking) Cancel(ctx context.Context, kind jobs.Kind, tenant, id string) (jobs.Job, error) {
	job, err := k.Store.Cancel(ctx, kind, tenant, id)
	k.wake(err)
	return job, err
}

func (k waking) Resume(ctx context.Context, kind jobs.Kind, tenant, id string) (jobs.Job, error) {
	job, err := k.Store.Resume(ctx, kind, tenant, id)
	k.wake(err)
	return job, err
}

func (k waking) Retry(ctx context.Context, tenant, id string, by jobs.Caller) (jobs.Job, error) {
	job, err := k.Store.Retry(ctx, tenant, id, by)
	k.wake(err)
	return job, err
}

func (k waking) wake(err error) {
	if err == nil {
		k.dispatcher.Wake()
	}
}
