// Package schemas tests the map on four schemas as other frameworks write them:
// package mapinit proposes a map, a file answers its TODOs, and an erasure must
// leave no trace.
//
// Its only code outside of tests is [Answer], which puts answers into a draft as
// a person with an editor would.
package schemas
