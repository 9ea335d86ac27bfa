"""Meters litellm."""
