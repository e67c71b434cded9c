"""The whole stack from pip wheels, for the demo, the tests and the benchmarks. Production runs its own servers."""
