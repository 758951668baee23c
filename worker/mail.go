package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/oubli/oubli/jobs"
)

// maxMailPause bounds the pauses between attempts to send one mail.
const maxMailPause = time.Hour

// mail delivers a mail in a span. After a temporary error it is tried again for
// MailExpiry; a refusal is final and shown in the job's mail state. Neither
// changes the state of the job itself.
func (s *Server) mail(ctx context.Context, c *jobs.Claim) error {
	ctx, span := s.taskSpan(ctx, c)
	err := s.deliver(ctx, c)
	endSpan(span, err)
	return err
}

func (s *Server) deliver(ctx context.Context, c *jobs.Claim) error {
	log := s.o.Log.With().Str(idField(c.Mail.Kind == jobs.Merge), c.JobID).Str("kind", string(c.Kind)).Int("attempt", c.Attempt).Logger()
	if c.Crashes >= crashesToFail && c.Age >= s.o.MailExpiry {
		log.Error().Int("crashes", c.Crashes).Msg("mail given up: workers crash on it")
		return s.o.Mails.GiveUp(context.WithoutCancel(ctx), c, codeCrash)
	}
	err := s.o.Mails.Deliver(context.WithoutCancel(ctx), c, func(ctx context.Context) error { return s.send(ctx, c.Mail) })
	setStatus(trace.SpanFromContext(ctx), err)
	switch {
	case err == nil:
		log.Info().Msg("mail sent")
		s.o.Wake()
		return nil
	case errors.Is(err, jobs.ErrFenced):
		s.o.Count(jobs.FenceLost, 1)
		return nil
	case jobs.KindOf(err) == jobs.Unavailable && c.Age < s.o.MailExpiry:
		log.Warn().Err(err).Msg("mail not sent; trying again later")
		return s.giveMailBack(ctx, c, err)
	}
	log.Error().Err(err).Msg("mail refused for good")
	return s.o.Mails.GiveUp(context.WithoutCancel(ctx), c, reasonOf(err))
}

// send gives the mail to the sender. An error that is no jobs.Error did not come
// from the mail server, so the mail is tried again.
func (s *Server) send(ctx context.Context, mail jobs.ReportMail) error {
	err := s.o.Sender.Send(ctx, mail)
	if _, ok := errors.AsType[*jobs.Error](err); ok || err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return &jobs.Error{Kind: jobs.Unavailable, Code: jobs.CodeUnavailable, Msg: "send mail", Err: fmt.Errorf("%T", err)}
}

// giveMailBack gives back a mail that could not be sent, to be tried again after
// a pause that doubles each time.
func (s *Server) giveMailBack(ctx context.Context, c *jobs.Claim, err error) error {
	s.o.Retrying(c.Kind, reasonOf(err))
	s.o.Count(jobs.MailRetried, 1)
	pause := min(s.o.MailRetry<<min(c.Failures, 16), maxMailPause)
	return s.giveBack(ctx, c, jitter(pause), true, reasonOf(err))
}

// reasonOf returns the part of an error that the task stores: its code or kind.
func reasonOf(err error) string {
	if e, ok := errors.AsType[*jobs.Error](err); ok && e.Code != "" {
		return e.Code
	}
	return jobs.KindOf(err).String()
}
