"""Answers applications that ask before they spend."""
