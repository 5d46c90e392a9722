"""Several models as one: snapshots of one run, averages of weights, averages and votes of predictions."""

from kerasopt.ensembles.average import average
from kerasopt.ensembles.batch_norm import refresh_batch_norm
from kerasopt.ensembles.cycles import SnapshotCycles
from kerasopt.ensembles.ema import swap_ema
from kerasopt.ensembles.snapshots import SnapshotEnsemble
from kerasopt.ensembles.swa import SWA
from kerasopt.ensembles.vote import majority_vote

__all__ = [
    "SWA",
    "SnapshotCycles",
    "SnapshotEnsemble",
    "average",
    "majority_vote",
    "refresh_batch_norm",
    "swap_ema",
]
