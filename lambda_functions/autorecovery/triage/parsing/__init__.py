"""From any shape of delivery to signals; what is not understood is counted and kept."""

from autorecovery.triage.parsing.dispatch import parse
from autorecovery.triage.parsing.findings import Findings, Watch, excerpt, fingerprint

__all__ = ["Findings", "Watch", "excerpt", "fingerprint", "parse"]
