"""Bringing our record in line with the exchange's: after every (re)connect, on a timer, and for every order whose fate is unknown.

service     when an account is reconciled, and what follows
missed      events that the stream did not tell, read over REST and journalled as the events they were
fates       orders in flight, and orders that the exchange does not know
holdings    what plans hold against what the account holds
standings   accounts in trouble: degraded, kept, told
"""

from kokex.services.reconciling.service import ReconciledSink, ReconcilingService

__all__ = ["ReconciledSink", "ReconcilingService"]
