"""Best execution: split an order over pools and two-hop paths, and prove how good the split is."""
