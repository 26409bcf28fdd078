"""Measures the platform against the course's way, against other tools, and against what the engines can do at best.

`make bench` runs it on a platform of its own, which is gone afterwards; docs/benchmarks.md tells the rest. What runs on
the host is here and needs the standard library only; what is measured is in `inside`.
"""
