// Package limit limits the rate of each of many callers. Its memory does not grow
// with the number of callers.
package limit
