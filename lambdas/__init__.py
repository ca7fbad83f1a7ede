"""The alerting system's functions, one folder each; what they share lies in `shared`."""
