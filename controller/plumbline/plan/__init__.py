"""The reduced policies of one role and their proof. Pure functions of their arguments."""

from plumbline.plan.proof import ProofError
from plumbline.plan.role import plan_role

__all__ = ["ProofError", "plan_role"]
