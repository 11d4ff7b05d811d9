from reporting.models.figure import Figure, Mark
from reporting.models.report_run import Download, ReportRun

__all__ = ["Download", "Figure", "Mark", "ReportRun"]
