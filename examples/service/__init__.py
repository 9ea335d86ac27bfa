"""A service with the real OpenAI SDK, metered by costmeter."""
