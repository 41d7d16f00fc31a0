"""What every part of the pipeline agrees on: environments, tags and the contracts between stacks."""
