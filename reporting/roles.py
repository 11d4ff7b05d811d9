"""What the roles may do with reports (PRODUCT "The people")."""

from collections.abc import Mapping, Sequence

from consent.roles import OFFICER, SUPERVISOR

PERMISSIONS: Mapping[str, Sequence[str]] = {
    OFFICER: [
        "reporting.export_reports",
        "reporting.view_reportrun",
        "reporting.download_any_export",
        "reporting.make_evidence_pack",
        "reporting.view_seal",
    ],
    SUPERVISOR: ["reporting.export_reports", "reporting.view_reportrun"],
}
