"""Meters Groq's SDK."""
