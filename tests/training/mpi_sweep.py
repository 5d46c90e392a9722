"""Run under `mpiexec -n 3 python -m mpi4py.futures`: a sweep over MPI, saved to the path given."""

import sys

from mpi4py.futures import MPIPoolExecutor

from kerasopt.training.compare import compare
from tests.training import comparing

if __name__ == "__main__":
    with MPIPoolExecutor() as executor:
        compare(
            comparing.build,
            comparing.contenders(),
            comparing.load,
            validation_data=comparing.VALIDATION,
            epochs=2,
            batch_size=16,
            seeds=2,
            executor=executor,
            verbose=0,
        ).save(sys.argv[1])
