"""Takes traces over OTLP/HTTP: GenAI spans become usage."""
