"""The only Kubernetes client: get, list, apply, delete, events, and questions about one's own rights."""
