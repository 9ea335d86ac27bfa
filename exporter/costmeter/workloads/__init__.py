"""Machines and jobs, and what they use."""
