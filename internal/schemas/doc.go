// Package schemas proves the map on databases that were not shaped for it: four
// schemas as other frameworks write them, each with a first map by package
// mapinit, the answers to its questions, and an erasure of which no trace may
// be left.
//
// Outside of tests it holds [Answer], which puts answers into a draft as a
// person with an editor would.
package schemas
