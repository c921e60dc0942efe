"""The web pages: one set for `plumbline report`, `plumbline serve` and the operator."""
