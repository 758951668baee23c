// Package figures is what the benchmarks share: a durable server to measure on,
// and durations and memory summed up alike.
package figures
