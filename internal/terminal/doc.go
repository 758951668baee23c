// Package terminal shows jobs and numbers to the person at a terminal: the
// outcome of a job as a table, the progress of one that runs, and the texts
// that both are made of.
package terminal
