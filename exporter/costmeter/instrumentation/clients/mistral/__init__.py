"""Meters Mistral's SDK."""
