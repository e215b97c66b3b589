"""On a cluster of two nodes on this machine.

One test runs with the others, as a worker that gets one starts a cluster of its own.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from runs.stub import Stub, content, make_models

import triggerfish
from triggerfish.errors import WorkerError
from triggerfish.runs.folder import RunFolder
from triggerfish.runs.model import Model
from triggerfish.runs.on_ray import Cluster, on_ray
from triggerfish.runs.run import Row, here, run

ray = pytest.importorskip("ray")
TWO = partial(on_ray, Cluster("unused", actors=2))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster as Nodes

    paths = (str(Path(triggerfish.__file__).parents[1]), str(Path(__file__).parents[1]))
    os.environ["PYTHONPATH"] = os.pathsep.join((*paths, os.environ.get("PYTHONPATH", "")))
    # Else they starve on a machine with other work.
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - Ray spells it so
    nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 1})
    nodes.add_node(num_cpus=1)
    ray.init(address=nodes.address, logging_level="ERROR")
    yield nodes
    ray.shutdown()
    nodes.shutdown()


def scan(models: list[Model], work: Stub, executor: Any, out: Path) -> list[Row]:
    folder = RunFolder(out)
    found = list(run(models, work, executor, folder))
    folder.close()
    return found


def begun(log: Path) -> list[list[str]]:
    return [line.split() for line in log.read_text().splitlines() if "begin" in line]


def test_a_cluster_gives_what_this_process_gives(cluster: Any, tmp_path: Path) -> None:
    models = make_models(tmp_path / "in", 40)
    scan(models, Stub(), here, tmp_path / "here")
    # Long enough that the second actor has started before the first has done everything.
    rows = scan(models, Stub(tmp_path / "log", 0.5), TWO, tmp_path / "ray")
    assert [row.path for row in rows] == [model.path for model in models]
    assert content(tmp_path / "ray") == content(tmp_path / "here")
    assert len({pid for _, _, pid, _ in begun(tmp_path / "log")}) == 2


@pytest.mark.slow
def test_an_actor_that_is_killed_costs_nothing(cluster: Any, tmp_path: Path) -> None:
    models = make_models(tmp_path / "in", 30)
    scan(models, Stub(), here, tmp_path / "here")
    log = tmp_path / "log"

    def kill() -> None:
        while not log.exists() or len(begun(log)) < 5:
            time.sleep(0.05)
        os.kill(int(begun(log)[-1][2]), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    scan(models, Stub(log, 0.3), TWO, tmp_path / "ray")
    killer.join()
    assert content(tmp_path / "ray") == content(tmp_path / "here")
    assert len(begun(log)) == 31, "one model was begun twice, the others once"


@pytest.mark.slow
def test_a_node_that_is_lost_costs_nothing(cluster: Any, tmp_path: Path) -> None:
    node = cluster.add_node(num_cpus=1)
    models = make_models(tmp_path / "in", 30)
    scan(models, Stub(), here, tmp_path / "here")
    log = tmp_path / "log"

    def remove() -> None:
        while not log.exists() or len({pid for _, _, pid, _ in begun(log)}) < 3:
            time.sleep(0.05)
        cluster.remove_node(node, allow_graceful=False)

    remover = threading.Thread(target=remove)
    remover.start()
    scan(models, Stub(log, 0.5), partial(on_ray, Cluster("unused", actors=3)), tmp_path / "ray")
    remover.join()
    assert content(tmp_path / "ray") == content(tmp_path / "here")


@pytest.mark.slow
def test_a_model_that_takes_too_long_is_given_up(cluster: Any, tmp_path: Path) -> None:
    models = make_models(tmp_path / "in", 2)
    executor = partial(on_ray, Cluster("unused", actors=2, timeout=2.0))
    rows = scan(models, Stub(tmp_path / "log", 600), executor, tmp_path / "out")
    assert {row.result.reason for row in rows} == {
        "expected an end within 2 s, got none: raise --timeout"
    }


@pytest.mark.slow
def test_a_gpu_that_no_node_has_is_an_error(cluster: Any, tmp_path: Path) -> None:
    models = make_models(tmp_path / "in", 2)
    executor = partial(on_ray, Cluster("unused", gpu=True))
    with pytest.raises(WorkerError, match="expected a cluster with a GPU"):
        scan(models, Stub(), executor, tmp_path / "out")


@pytest.mark.slow
def test_nothing_of_a_result_stays_in_the_object_store(cluster: Any, tmp_path: Path) -> None:
    models = make_models(tmp_path / "in", 20)
    memory = "object_store_memory"
    scan(models, Stub(size=50_000), TWO, tmp_path / "out")  # some megabytes a model
    deadline = time.monotonic() + 60
    while ray.cluster_resources()[memory] - ray.available_resources()[memory] > 1e6:
        assert time.monotonic() < deadline, "results are still there"
        time.sleep(0.5)
