"""Meters OpenAI's SDK."""
