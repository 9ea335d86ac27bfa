"""The memory-mapped files by which usage leaves the application."""
