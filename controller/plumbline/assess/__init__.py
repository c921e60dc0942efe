"""Verdicts, drift and thresholds: pure functions of baseline, snapshot, usage and day."""
