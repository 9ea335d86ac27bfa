"""A service written in JavaScript that is metered through its OpenTelemetry traces."""
