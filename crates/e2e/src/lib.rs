//! Real-process tests, the fault proxy and the benchmarks of Quarterdeck.
