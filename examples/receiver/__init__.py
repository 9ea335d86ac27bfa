"""A receiver of Alertmanager's webhooks that shows what arrives."""
