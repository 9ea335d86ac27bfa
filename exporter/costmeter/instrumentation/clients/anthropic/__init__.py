"""Meters Anthropic's SDK."""
