"""What usage costs: catalogue, overrides, tiers, and integers of nano-dollars out of them."""
