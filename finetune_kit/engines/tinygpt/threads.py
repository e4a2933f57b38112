"""One BLAS thread, always: set before NumPy is imported.

At this size more threads are slower (87 ms instead of 9.6 ms a step on a busy
two-core machine), and one thread makes training equal bit by bit. The kernels of one
processor family (Haswell) make it equal on every x86-64 machine.
"""

import os
import platform

for _name in ("OPENBLAS", "OMP", "MKL", "VECLIB_MAXIMUM"):
    os.environ[f"{_name}_NUM_THREADS"] = "1"
if platform.machine().lower() in ("x86_64", "amd64"):
    os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")
