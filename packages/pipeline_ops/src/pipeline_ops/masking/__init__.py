"""Operation of the routes' masking: what a policy makes of a record, and whether a target holds only what it made."""
