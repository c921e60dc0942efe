"""Live IAM and the organization around it, read into one Snapshot. Reads only, judges nothing."""
