"""Adam (Kingma & Ba 2015), gradient clipping, and a schedule with warm-up."""

import numpy as np

from finetune_kit.engines.tinygpt.model import Parameters

BLOCK = 1 << 15  # elements updated at a time: a block stays in the processor's cache


class Adam:
    """One optimiser over the flat vector of all weights."""

    def __init__(
        self, p: Parameters, betas: tuple[float, float] = (0.9, 0.98), eps: float = 1e-8
    ) -> None:
        self.p, self.betas, self.eps = p, betas, eps
        self.m = np.zeros_like(p.flat)
        self.v = np.zeros_like(p.flat)
        self.step_number = 0

    def step(self, g: Parameters, learning_rate: float, clip: float = 1.0) -> float:
        """Update the weights; clips `g` in place. Returns the norm before clipping."""
        self.step_number += 1
        beta1, beta2 = self.betas
        norm = float(np.sqrt(np.dot(g.flat, g.flat)))
        if norm > clip:
            g.flat *= np.float32(clip / norm)
        # m and v are kept without their factors 1 - beta, which move to the rate.
        root = ((1 - beta2**self.step_number) / (1 - beta2)) ** 0.5
        mean = (1 - beta1**self.step_number) / (1 - beta1)
        rate = np.float32(-learning_rate * root / mean)
        eps = np.float32(self.eps * root)
        buffer = np.empty(BLOCK, np.float32)
        for start in range(0, len(g.flat), BLOCK):
            part = slice(start, start + BLOCK)
            grad, m, v = g.flat[part], self.m[part], self.v[part]
            out = buffer[: len(grad)]
            m *= np.float32(beta1)
            m += grad
            v *= np.float32(beta2)
            v += np.multiply(grad, grad, out=out)
            np.sqrt(v, out=out)
            out += eps
            np.divide(m, out, out=out)
            out *= rate
            self.p.flat[part] += out
        return norm


def schedule(step: int, total: int, peak: float, warmup: int, floor: float) -> float:
    """Learning rate of step 1 … total: linear up to `peak`, then down to `floor`."""
    if step <= warmup:
        return peak * step / warmup
    return floor + (peak - floor) * (total - step) / max(1, total - warmup)
