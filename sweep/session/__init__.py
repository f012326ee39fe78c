"""A session: what was asked for is checked, then planned or launched; each step gives a value."""

from sweep.session.launching import Launch, launch
from sweep.session.planning import Plan, plan
from sweep.session.preparation import Request
from sweep.session.reporting import Report, report

__all__ = ["Launch", "Plan", "Report", "Request", "launch", "plan", "report"]
