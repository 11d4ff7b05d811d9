from reporting.models.figure import Figure, Mark
from reporting.models.report_run import ReportRun

__all__ = ["Figure", "Mark", "ReportRun"]
