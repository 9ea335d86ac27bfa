"""A job that lives for two seconds, and whose every cent arrives."""
