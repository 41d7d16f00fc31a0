"""What processes the files that arrive in an environment: queue, function, schedule, alarms and dashboard."""
