// Package mixing keeps system columns from showing which kept rows were of one
// former client. A job that erases one client writes that client's rows in one
// transaction, so that they share its number (xmin) and often a page. The workers
// write such rows again, together with those of other former clients and in random
// order, in rounds:
//
//   - round.go finds what is to be mixed, and the rows of it;
//   - stroke.go writes rows again, in one transaction;
//   - record.go writes the rows of the control tables apart, and records the result.
//
// docs/fine-print.md says what somebody who reads every column can still learn.
package mixing
