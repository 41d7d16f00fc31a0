"""Turns the files that arrive in an environment's bucket into items of its table, one file version per run."""
