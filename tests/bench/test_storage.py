import dataclasses
import json
import os

import pytest

from optgen.errors import UsageError
from optgen_bench import records, storage


def test_a_report_survives_json(make_report):
    report = make_report()
    assert storage.from_json(storage.to_json(report)) == report
    without_plan = make_report(planned=None)
    assert storage.from_json(storage.to_json(without_plan)) == without_plan


def test_the_document_has_the_schema_that_is_documented(make_report):
    document = json.loads(storage.to_json(make_report()))
    assert document["schema"] == "optgen-bench/1"
    assert set(document) == {"schema", "date", "seconds", "machine", "cases", "timing"}
    (case,) = document["cases"]
    assert set(case) == {f.name for f in dataclasses.fields(records.Case)}
    assert case["ratios"][0] == {
        "ours": "optgen",
        "peer": "optax",
        "value": 2.0,
        "within_spread": False,
    }
    assert set(case["measurements"][0]["time"]) == {
        "lower",
        "median",
        "upper",
        "samples",
        "steps_per_sample",
    }


def change(document, path, value):
    *parents, last = path
    for key in parents:
        document = document[key]
    if value is None:
        del document[last]
    else:
        document[last] = value


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["schema"], "optgen-bench/0", "follows schema 'optgen-bench/0'.*Run the benchmark again"),
        (["machine"], None, "report: expected an object with the fields"),
        (["seconds"], "10", r"report.seconds: expected float, got '10'"),
        (["cases", 0, "leaves"], True, r"report.cases\[0\].leaves: expected int, got True"),
        (["cases", 0, "roof", "tried", "c"], "x", r"report.cases\[0\].roof.tried.c: expected"),
        (["cases", 0, "measurements", 1, "time", "extra"], 1, r"measurements\[1\].time: expected"),
        (["cases"], {}, "report.cases: expected list"),
    ],
)
def test_a_document_that_strays_is_refused_where_it_strays(make_report, path, value, message):
    document = json.loads(storage.to_json(make_report()))
    change(document, path, value)
    with pytest.raises(UsageError, match=message):
        storage.from_json(json.dumps(document))


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "{}"])
def test_what_is_no_report_is_refused(text):
    with pytest.raises(UsageError, match=r"not a benchmark report|follows schema None"):
        storage.from_json(text)


def test_an_infinite_figure_is_not_written(make_report):
    report = dataclasses.replace(make_report(), seconds=float("inf"))
    with pytest.raises(ValueError, match="JSON compliant"):
        storage.to_json(report)


def test_writing_replaces_the_whole_file_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "run.json"
    path.write_text("old")
    storage.write_atomically(path, b"new")
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["run.json"]


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    path.write_text("old")

    def replace(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.os, "replace", replace)
    with pytest.raises(UsageError, match=r"run\.json': No space left on device\. Give a path"):
        storage.write_atomically(path, b"new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["run.json"]


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(UsageError, match="cannot write .*nowhere.*No such file or directory"):
        storage.write_atomically(tmp_path / "nowhere" / "run.json", b"")


def test_reports_of_before_a_field_was_added_are_read(make_report):
    document = json.loads(storage.to_json(make_report()))
    del document["timing"], document["cases"][0]["copy"]
    assert storage.from_json(json.dumps(document)) == make_report()


def test_results_are_named_by_the_machine_and_the_day(make_report, tmp_path):
    report = make_report()
    assert storage.result_path(tmp_path, report).name == "a-cpu-8-threads-2026-01-31.json"
    gpu = dataclasses.replace(report.machine, platform="gpu", device="NVIDIA H200")
    report = dataclasses.replace(report, machine=gpu)
    path = storage.result_path(tmp_path, report)
    assert path.name == "nvidia-h200-2026-01-31.json"
    path.touch()
    assert storage.result_path(tmp_path, report).name == "nvidia-h200-2026-01-31-2.json"
