"""The clients of the soak run."""
