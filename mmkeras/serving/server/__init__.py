"""An HTTP server that answers rows with a trained model."""
