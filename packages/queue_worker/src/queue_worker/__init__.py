"""The loop of every function that reads a queue: receive, settle, retry, bury, report."""

# First, while few imports are under way: it compiles patterns, and deep down, where CPython's frames fill a chunk of
# their stack, each call of the compiler gets and frees another one. It is up to a tenth of a cold start's import.
import urllib3  # noqa: F401
