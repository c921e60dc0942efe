"""The reduced policies of one role and their proof. Pure functions of their arguments."""
