"""Training: several processes learn what one would of all their examples, and a run that stopped goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as together
import torch.multiprocessing as processes

from training.pool import STEMS
from training.train import Training, network

SHAPE = {"channels": 8, "t_layers": 1, "t_heads": 2}
FRAMES = 16384
STEPS = 3


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two songs of three seconds of noise."""
    folder = tmp_path_factory.mktemp("pool")
    rng = np.random.default_rng(1)
    for stem in STEMS:
        (folder / stem).mkdir()
        for number in range(2):
            sound = rng.normal(0, 3000, (3 * 44100, 2)).clip(-32767, 32767)
            np.save(folder / stem / f"1-{number:04}.npy", sound.astype(np.int16))
    return folder


def run_of(pool: Path, checkpoint: Path, hours: float = 1.0, batch: int = 2) -> Training:
    torch.manual_seed(0)
    clock = iter(range(10**6))
    return Training(pool, checkpoint, None, hours, 1e-3, batch, network(**SHAPE), lambda: float(next(clock)))


def examples() -> torch.Tensor:
    return 0.1 * torch.randn(STEPS, 2, 4, 2, FRAMES, generator=torch.Generator().manual_seed(2))


def learn_together(rank: int, folder: Path, pool: Path) -> None:
    torch.set_num_threads(1)
    together.init_process_group("gloo", init_method=(folder / "meeting").as_uri(), rank=rank, world_size=2)
    run = run_of(pool, folder / "none.pt")
    for batch in examples():
        run._learn(batch[rank : rank + 1])
    torch.save(run.average.state_dict(), folder / f"{rank}.pt")
    together.destroy_process_group()


def test_two_processes_learn_what_one_learns_of_the_examples_of_both(pool: Path, tmp_path: Path) -> None:
    processes.spawn(learn_together, (tmp_path, pool), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    alone = run_of(pool, tmp_path / "none.pt")
    before = {name: value.clone() for name, value in alone.average.state_dict().items()}
    for batch in examples():
        alone._learn(batch)
    moved = apart = 0.0
    for name, value in alone.average.state_dict().items():
        assert torch.equal(first[name], second[name]), name
        moved += float((value - before[name]).square().sum())
        apart += float((value - first[name]).square().sum())
    assert apart < 1e-4 * moved


def test_a_run_that_stopped_goes_on_with_all_that_it_knew(pool: Path, tmp_path: Path) -> None:
    run = run_of(pool, tmp_path / "mini.pt", hours=4 / 3600)
    run.run()
    again = run_of(pool, tmp_path / "mini.pt", hours=6 / 3600)
    assert (again.step, again.seconds, again.history) == (run.step, run.seconds, run.history)
    for kept, was in ((again.model, run.model), (again.average, run.average)):
        for name, value in was.state_dict().items():
            assert torch.equal(kept.state_dict()[name], value), name
    again.run()
    assert again.step > run.step
    assert [note["step"] for note in again.history] == [run.step, again.step]
