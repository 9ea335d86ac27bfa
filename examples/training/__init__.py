"""A training loop with MLflow: what the run cost stands beside what it reached."""
