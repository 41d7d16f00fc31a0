"""What replicates production into the environments below it: a route per target, and what notices changes."""
