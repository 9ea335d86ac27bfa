"""A stand-in for a provider, speaking OpenAI's wire format."""
