"""How fast, how small and how steady the product is: measured beside what people would use otherwise.

Run as `make bench`, or `python -m benchmarks` from the repository's root; the stand-ins for targets are those of the
tests. Nothing but this machine and loopback is touched.
"""
