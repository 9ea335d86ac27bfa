"""What machines and jobs cost: processes, process trees, cgroups and containers."""
