"""What a route makes of the values that it replicates, by declared rules, and what it refuses. Pure, no AWS."""
