"""Weights learned layer by layer, before any labels: the restricted Boltzmann machine, and stacks of them."""

from kerasopt.pretraining.pretrain import pretrain
from kerasopt.pretraining.rbm import RBM

__all__ = ["RBM", "pretrain"]
