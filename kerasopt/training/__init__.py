"""Ways to train a model that `Model.fit` does not have."""

from kerasopt.training.sam import SAM

__all__ = ["SAM"]
