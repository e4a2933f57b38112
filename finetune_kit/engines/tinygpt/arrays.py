"""What the arrays of the model hold."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]  # float32; float64 where gradients are checked
IntArray = NDArray[np.int64]
