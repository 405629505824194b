"""Many runs: seeds, folds, fusions and trials, each a job."""

from mmkeras.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "RepeatConfig": "repeat",
        "CrossValidationConfig": "cross_validate",
        "ComparisonConfig": "comparison",
        "compare": "comparison",
        "TuneConfig": "tuning.tuning_config",
        "ClusterConfig": "cluster",
        "RetrievalConfig": "retrieval",
        "retrieve": "retrieval",
        "PretrainConfig": "pretraining",
        "pretrain_and_tune": "pretraining",
        "Job": "jobs",
        "JobDied": "jobs",
        "JobsMissing": "jobs",
        "run_jobs": "jobs",
    },
)
