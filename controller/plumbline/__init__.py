"""Plumbline keeps AWS IAM roles at the access they really use."""

__version__ = "0.1.0"
