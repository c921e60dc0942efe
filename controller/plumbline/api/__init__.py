"""The resources as pydantic models: the one source of crds/, defaults, rules and messages.

Knows the shape of what people write and what Plumbline answers. No I/O, no clock.
"""
