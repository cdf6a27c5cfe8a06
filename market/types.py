"""Names of the two array types that kernels take."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

I8: TypeAlias = npt.NDArray[np.int64]
F8: TypeAlias = npt.NDArray[np.float64]
