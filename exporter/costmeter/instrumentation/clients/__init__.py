"""The SDKs of providers, metered."""
