"""Every question to a trained model, in one report."""

from mmkeras.audit.audit_config import AuditSettings
from mmkeras.audit.run import audit

__all__ = ["AuditSettings", "audit"]
