"""Makes costmeter's Grafana dashboards: ``python -m dashboards.src`` writes them all."""
