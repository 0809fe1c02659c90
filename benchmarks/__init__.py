"""How fast jaxtile is beside what else there is: `python -m benchmarks`."""
