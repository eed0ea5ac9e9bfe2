"""Fit what the tempo of drums is told by: the weights and the prior of `bridge/effects/drums.py`.

    python -m benchmarks.tempo_fit [--cache FOLDER]

Only the half of `tempo_pieces.py` that is not held out is played; nothing of the tests is in it. The evidence is that
of `bridge/effects/drums.py` itself. A piece counts 1 / sqrt(pieces of its song or groove). Weights are drawn by a ridge
towards what musicians know: strokes repeat after half a beat, one, two, four and eight, and kick and snare take turns.
The strongest ridge is taken whose loss (negative log likelihood) is at most one standard error over the least (Breiman
et al., "Classification and Regression Trees", 1984) in six-fold cross-validation over songs and grooves (all of one are
in one fold). Printed: the trials, of each how many are right, and beyond doubt and right; last the constants as they
stand in `drums.py`. Deterministic. How often these are right on the other half: `python -m benchmarks.tempo`.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from benchmarks.tempo_pieces import USUAL_BPM, pieces
from bridge.effects import drums

RIDGES = (0.5, 1.0, 2.0, 4.0)
REPEATS, TURNS = {1 / 2: 1.0, 1: 1.0, 2: 1.0, 4: 1.0, 8: 1.0}, {1: -2.0, 2: 2.0, 3: -2.0, 4: 2.0}
"""What is known before: weights of all strokes, and of snare less kick, after so many beats."""
FOLDS, SEED = 6, 6
RIGHT_OCTAVES = np.log2(1.02)

Rows = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Known:
    """What is known of some pieces."""

    evidence: Rows
    """(pieces, tempos, rows x beats and two for the prior)"""
    right: npt.NDArray[np.bool_]
    """(pieces, tempos)"""
    weight: Rows
    fold: npt.NDArray[np.int64]

    def of(self, chosen: npt.NDArray[np.bool_]) -> Known:
        return Known(self.evidence[chosen], self.right[chosen], self.weight[chosen], self.fold[chosen])


def known(cache: Path) -> Known:
    """Play and hear the pieces; those of a tempo that cannot be heard are left out."""
    evidence, bpm, sources = [], [], []
    octaves = np.log2(drums._TEMPOS_BPM / USUAL_BPM)
    prior = np.stack([octaves, octaves**2], axis=1)
    for piece in pieces(cache, held_out=False):
        onsets, rate = drums._onset_strength(piece.drums(cache), "drums")
        evidence.append(np.concatenate([drums._evidence(onsets, rate), prior], axis=1))
        bpm.append(piece.bpm)
        sources.append(piece.source)
    _, source, counts = np.unique(sources, return_inverse=True, return_counts=True)
    fold = np.random.default_rng(SEED).permutation(counts.size) % FOLDS
    right = np.abs(np.log2(drums._TEMPOS_BPM / np.array(bpm)[:, np.newaxis])) <= RIGHT_OCTAVES
    weight = counts[source] ** -0.5
    return Known(np.stack(evidence), right, weight / weight.mean(), fold[source]).of(right.any(axis=1))


def start() -> Rows:
    found = np.zeros((5, drums._BEATS.size))
    for row, known_weights in ((0, REPEATS), (4, TURNS)):
        for beats, weight in known_weights.items():
            found[row, np.abs(drums._BEATS - beats).argmin()] = weight
    return np.append(found.ravel(), (0.0, 0.0))


def shares(score: Rows) -> Rows:
    share = np.exp(score - score.max(axis=1, keepdims=True))
    return np.asarray(share / share.sum(axis=1, keepdims=True))


def fitted(pieces: Known, ridge: float) -> Rows:
    """Return the weights that make the right tempos likely and are near to the start; the prior's may be anything."""
    punished = np.full(pieces.evidence.shape[2], ridge)
    punished[-2:] = 0.0
    begin = start()
    flat = pieces.evidence.reshape(-1, punished.size)

    def loss(weights: Rows) -> tuple[float, Rows]:
        share = shares(pieces.evidence @ weights)
        inside = share * pieces.right
        right = np.maximum(inside.sum(axis=1), 1e-12)
        slope = (share - inside / right[:, np.newaxis]) * pieces.weight[:, np.newaxis]
        value = -(pieces.weight * np.log(right)).sum() + (punished * (weights - begin) ** 2).sum()
        return float(value), slope.ravel() @ flat + 2.0 * punished * (weights - begin)

    return np.asarray(minimize(loss, begin, jac=True, method="L-BFGS-B").x)


def tried(pieces: Known, ridge: float) -> tuple[Rows, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return the loss, what is right and what is beyond doubt, each fold judged by the fit of the others."""
    share, without_prior = np.zeros(pieces.right.shape), np.zeros(pieces.right.shape)
    for fold in range(FOLDS):
        inside = pieces.fold == fold
        weights = fitted(pieces.of(~inside), ridge)
        share[inside] = shares(pieces.evidence[inside] @ weights)
        half = weights * np.where(np.arange(weights.size) < weights.size - 2, 1.0, drums._DOUBTED_PRIOR)
        without_prior[inside] = shares(pieces.evidence[inside] @ half)
    loss = -np.log(np.maximum((share * pieces.right).sum(axis=1), 1e-12))
    best = drums._TEMPOS_BPM[share.argmax(axis=1)]
    near = np.abs(np.log2(drums._TEMPOS_BPM / best[:, np.newaxis])) < drums._SAME_OCTAVES
    sure = ((share * near).sum(axis=1) >= drums._SURE) & ((without_prior * near).sum(axis=1) >= drums._STILL_SURE)
    is_right = pieces.right[np.arange(len(best)), share.argmax(axis=1)]
    return loss * pieces.weight, is_right, sure


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cache", type=Path, default=Path("/tmp/stem-bridge-free-music"))
    heard = known(options.parse_args().cache)
    print(f"{len(heard.right)} pieces", flush=True)
    losses = {}
    for ridge in RIDGES:
        losses[ridge], right, sure = tried(heard, ridge)
        said = f"right {right.mean():.1%}, sure {sure.mean():.1%}, right of those {right[sure].mean():.1%}"
        print(f"ridge {ridge}: loss {losses[ridge].mean():.4f}, {said}", flush=True)
    least = min(losses.values(), key=np.mean)
    enough = least.mean() + least.std() / len(least) ** 0.5
    ridge = max(one for one, loss in losses.items() if loss.mean() <= enough)
    *weights, slope, curve = fitted(heard, ridge)
    print(f"ridge {ridge}\n_WEIGHTS = np.array(\n    (")
    for row in np.reshape(weights, (-1, drums._BEATS.size)):
        print(f"        ({', '.join(f'{one:.2f}' for one in row)}),")
    usual, spread = USUAL_BPM * 2.0 ** (-slope / (2.0 * curve)), (-0.5 / curve) ** 0.5
    print(f"    )\n)\n_USUAL_BPM, _USUAL_SPREAD_OCTAVES = {usual:.0f}.0, {spread:.2f}")


if __name__ == "__main__":
    main()
