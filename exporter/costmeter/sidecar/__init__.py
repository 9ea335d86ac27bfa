"""The exporter: reads journals, prices, keeps the ledger and serves the metrics."""
