"""Frozen data that flows one way: Snapshot and usage in, Assessment and Plan out. No I/O, no clock."""
