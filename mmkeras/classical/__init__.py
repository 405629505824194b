"""Classical models of multimodal features, with scikit-learn's interface."""
