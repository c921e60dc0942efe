"""The only way to AWS: sessions into accounts, the read-only guard, budgets, retries, and errors of our own."""
