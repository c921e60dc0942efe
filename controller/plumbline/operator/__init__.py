"""The line as a Kubernetes operator: kopf watches, a keyed queue schedules, workers reconcile. The only importer of kopf."""
