"""Networks that are sure of everything, or of nothing, at the usual scale of logits.

Searches stop pulling at a picture once its log-odds are ahead by a fixed number, so they are right
for logits of the usual scale. Dividing all logits by one number, the temperature, changes no
predicted class: on a chess-piece network whose logits spread by 23, the sizes of the smallest
universal perturbations fell by half and classes that seemed out of reach were reached.
"""

from __future__ import annotations

import copy

import torch

from triggerfish.model.classifier import Classifier

USUAL = 2.0
"""The spread that logits are brought to: near the median of the networks measured, 1.4."""
LOWEST, HIGHEST = 0.3, 10.0
"""Spreads between which a network is left as it is: 106 measured ones had 0.33 to 6.2
(benchmarks/results/family)."""


def temperature_of(spread: float) -> float:
    """What to divide logits by that spread by ``spread`` over synthetic images; 1 as a rule.

    A network that answers the same to everything (spread 0) stays as it is.
    """
    if not spread > 0 or LOWEST <= spread <= HIGHEST:
        return 1.0
    return spread / USUAL


def at_temperature(classifier: Classifier, temperature: float) -> Classifier:
    """The same network with its logits divided by ``temperature``; it shares the weights.

    Raises:
        ValueError: A temperature that is not above 0.
    """
    if not temperature > 0 or not torch.isfinite(torch.tensor(temperature)):
        raise ValueError(f"expected a temperature > 0, got {temperature}")
    if temperature == 1.0:
        return classifier
    scaled = copy.copy(classifier)
    scaled.temperature = classifier.temperature * temperature
    return scaled
