"""Figures that measure this repository's prose and structure, as described in docs/contributing.md.

`python -m tests.voice [path …]` prints them, with every finding, for the given files or folders. Without a path it
covers everything, prints a summary, and exits with 1 if a figure is beyond its limit.
"""
