"""What would make a result too good to be true."""

from mmkeras.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "check_leakage": "check",
        "format_findings": "check",
        "Finding": "finding",
    },
)
