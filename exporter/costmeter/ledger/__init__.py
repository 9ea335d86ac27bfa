"""The database that holds every cent once."""
