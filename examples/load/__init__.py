"""Load for the example service: a day's shape, speeded up."""
