// Package mailer sends the mail with the result of a job to administrators.
//
// [Mailer.Render] turns a [jobs.ReportMail] into a message in the recipient's
// language, as text and as HTML. The same mail always gives the same bytes: its
// Date is the end of the job, and its Message-ID and MIME boundary are made from
// the mail's id, so that a recipient's server can recognise a repeat.
//
// [Mailer.Send] runs one SMTP dialogue. A mail is delivered when the server has
// answered the message with 250; an error at QUIT changes nothing. Every error is
// a [jobs.Error]: Unavailable asks for another attempt, Invalid is final. No error
// contains an address or the text of a server's reply, which may quote one.
//
// No message names a client: it contains counts, reasons and dates.
package mailer
