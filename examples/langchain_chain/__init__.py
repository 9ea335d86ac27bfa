"""A LangChain chain: each call of the model is metered once, in the SDK below it."""
