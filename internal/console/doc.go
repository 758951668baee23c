// Package console is what administrators see in a browser, under /console/: pages that
// the server renders, and one small script that keeps a progress bar moving. Every page works without the script, but for signing in.
//
// It calls the same services as the HTTP API, through the small interfaces of
// console.go, under the same rules: a session has the tenant and the role of the token
// with which it was opened, and a viewer sees no names. Each screen has a file of its
// own, with a template of the same name. All words are in words_*.go, in six languages.
package console
