"""What a file of another detector suggests for its configuration: one module for each kind of decision.

Every decision is a function of names and arrays, and says in words what it could not decide.
"""

from polarbgb.workflow.proposal.base import with_base
from polarbgb.workflow.proposal.propose import Proposal, propose

__all__ = ["Proposal", "propose", "with_base"]
