"""Benchmarks of the whole fleet.

`python -m tests.bench [name …]` measures, and without names writes `docs/performance.md`. One module per measurement
returns a `Section` with the method, the figures and their goals. Nothing here asserts: missed goals are reported on
the page and at the end.
"""
