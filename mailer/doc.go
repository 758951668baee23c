// Package mailer tells administrators by e-mail how a job ended.
//
// [Mailer.Render] turns a [jobs.ReportMail] into a message in the recipient's
// language, text and HTML. The same letter always gives the same bytes: its
// Date is the end of the job and its Message-ID and MIME boundary come from the
// letter's id, so that a repeat is recognised by whoever receives it twice.
//
// [Mailer.Send] holds one SMTP dialogue. A letter is delivered when the server
// has answered the message with 250; what happens at QUIT changes nothing.
// Every error is a [jobs.Error]: Unavailable asks for another attempt, Invalid
// is final. None of them repeats an address or the free text of a server, which
// may quote one.
//
// No message names a client: it holds counts, reasons and dates.
package mailer
