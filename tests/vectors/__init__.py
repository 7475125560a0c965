"""Golden swaps: what the on-chain programs answer, and a command that checks any file of them."""
