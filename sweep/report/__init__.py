"""One HTML file that says what a store holds, for a reader who has nothing but a browser."""

from sweep.report.page import write_report

__all__ = ["write_report"]
