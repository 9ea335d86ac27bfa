"""A Flask service with its own /metrics, where costmeter's families stand beside its own."""
