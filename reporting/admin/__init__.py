"""The admin of reports: the snapshot, the funnel and what was exported. Each module registers its pages."""

from reporting.admin import contact, report_run, seal

__all__ = ["contact", "report_run", "seal"]
