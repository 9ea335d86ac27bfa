"""Meters Ollama's SDK."""
