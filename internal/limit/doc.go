// Package limit bounds what each of many callers may take in a time, without
// growing with their number.
package limit
