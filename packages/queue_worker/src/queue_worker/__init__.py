"""The loop of every function that reads a queue: receive, settle, retry, bury, report."""
