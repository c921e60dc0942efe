"""Providers of evidence that are asked over the network. Each says what it could not see, and why."""
