// Package figures is what the benchmarks share: a durable server to measure on,
// and statistics of durations and memory.
package figures
