"""The IAM policy language: catalogue, documents, patterns, granted access. Pure: no I/O, no clock, no AWS calls."""
