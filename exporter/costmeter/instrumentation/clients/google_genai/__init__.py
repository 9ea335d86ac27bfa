"""Meters Google's Gen AI SDK."""
