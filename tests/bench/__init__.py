"""The benchmark: `python -m tests.bench [name …]` measures, and without names writes `docs/performance.md`.

One module for each measurement; each gives a `Section`: how it was measured, and its figures with their goals. Nothing here
asserts: a goal that was missed is said, on the page and at the end.
"""
