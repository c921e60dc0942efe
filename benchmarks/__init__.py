"""Time and peak memory of Plumbline's stations over the sandbox organization, and of its log reader beside peers.

`python -m benchmarks` measures and prints; docs/performance.md keeps the latest figures and says what they mean.
"""
