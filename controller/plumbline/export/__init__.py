"""What leaves Plumbline for other systems."""
