"""Meters Cohere's SDK."""
