import jax
import pytest

from optgen.errors import UsageError
from optgen.tools import workloads
from optgen_bench import cases, gpu, peers


def test_without_a_gpu_it_says_so(capsys):
    assert gpu.main([]) == 2
    assert "needs an NVIDIA GPU" in capsys.readouterr().err


def test_it_names_rules_trees_and_peers_that_there_are():
    assert set(gpu.RULES) <= set(cases.names())
    assert set(gpu.TREES) <= set(workloads.TREES)
    assert workloads.parameters(workloads.tree(gpu.LARGE)) == 2**28
    assert "flashoptim-full" in peers.expand(gpu.PEERS)


def test_both_parts_are_run_and_the_worst_status_is_returned(monkeypatch):
    calls = []

    def fake(rules, against, tree, dtype, seconds, **options):
        calls.append((rules, tree, dtype, seconds, options))
        return len(calls) - 1

    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(gpu, "bench", fake)
    assert gpu.main(["--seconds", "2", "--results", "here"]) == 1
    assert [call[0] for call in calls] == [("adamw",), gpu.RULES]
    assert all(call[4] == {"targets": ("triton",), "results": "here"} for call in calls)


def test_what_cannot_be_measured_is_an_error(monkeypatch, capsys):
    def fake(*arguments, **options):
        raise UsageError("no directory")

    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(gpu, "bench", fake)
    assert gpu.main([]) == 2
    assert "error: no directory" in capsys.readouterr().err


@pytest.mark.gpu
def test_a_small_case_runs_on_the_gpu(tmp_path):
    from optgen_bench import bench

    status = bench(
        ["adamw"],
        gpu.PEERS,
        "small",
        seconds=0.1,
        targets=("triton",),
        results=str(tmp_path),
    )
    assert status == 0
    assert len(list(tmp_path.glob("*.json"))) == 1
