"""What may be spent in a period."""
