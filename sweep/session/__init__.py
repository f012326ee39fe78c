"""A session: what was asked for is checked, then planned or launched; each step gives a value."""

from sweep.session.launching import Launch, launch
from sweep.session.objectives import metrics_of, objectives
from sweep.session.planning import Plan, plan
from sweep.session.preparation import Request
from sweep.session.racing import Race, Round, Standing, first_round, race
from sweep.session.reporting import kinds, summary_of
from sweep.session.rules import Rules

__all__ = [
    "Launch",
    "Plan",
    "Race",
    "Request",
    "Round",
    "Rules",
    "Standing",
    "first_round",
    "kinds",
    "launch",
    "metrics_of",
    "objectives",
    "plan",
    "race",
    "summary_of",
]
