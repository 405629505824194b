"""How good models are: arrays in, numbers out."""
