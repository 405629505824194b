"""Support vector machines on several kernels: what is alike in each view, weighed and added up."""
