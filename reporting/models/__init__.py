from reporting.models.figure import Figure, Mark
from reporting.models.report_run import Download, ReportRun
from reporting.models.seal import Seal, SealMailed

__all__ = ["Download", "Figure", "Mark", "ReportRun", "Seal", "SealMailed"]
