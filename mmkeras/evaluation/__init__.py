"""How good models are, and why; `audit` asks everything at once."""


def __getattr__(name):
    # On first use: it trains models, and what trains models evaluates them.
    if name != "audit":
        raise AttributeError(f"module 'mmkeras.evaluation' has no attribute {name!r}")
    from mmkeras.audit import audit

    return audit
