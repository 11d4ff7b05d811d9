"""The admin of reports: the snapshot, the funnel and what was exported. Each module registers its pages."""

from reporting.admin import evidence, report_run, seal

__all__ = ["evidence", "report_run", "seal"]
