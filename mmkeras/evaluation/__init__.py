"""How good models are: arrays in, numbers out."""

from mmkeras.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "CORRUPTIONS": "corruptions",
        "Difference": "bootstrap",
        "bootstrap_interval": "bootstrap",
        "compare_paired": "bootstrap",
        "paired_bootstrap": "bootstrap",
        "apply_temperature": "calibration",
        "calibration_error": "calibration",
        "calibration_table": "calibration",
        "fit_temperature": "calibration",
        "Comparison": "comparison",
        "compare_models": "comparison",
        "Decomposition": "information",
        "decompose": "information",
        "pointwise_information": "information",
        "by_class": "performance",
        "performance_intervals": "performance",
        "linear_probe": "probe",
        "average_precision": "retrieval",
        "chance_metrics": "retrieval",
        "retrieval_metrics": "retrieval",
        "effective_robustness": "robustness",
        "relative_robustness": "robustness",
        "interaction": "shapley",
        "shapley_values": "shapley",
        "corrected_resampled_t_test": "significance",
        "holm": "significance",
        "mcnemar": "significance",
    },
)
