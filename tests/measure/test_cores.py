"""Cores of a process: quotas of control groups as Linux writes them, and what OpenMP is told before torch reads it."""

import os

import pytest

from runner.measure import machine
from runner.measure.machine import cores, quotas, share_cores


def written(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/a/b\n", {"": "50000 100000\n"}, [0.5]),
        ("0::/a/b\n", {"a/b": "max 100000\n", "a": "150000 100000\n"}, [1.5]),
        ("0::/a/b\n", {"a/b": "400000 100000\n", "a": "200000 100000\n"}, [4.0, 2.0]),
        ("0::/a/b\n", {"a/b": "max 100000\n"}, []),
        ("0::/a/b\n", {"a/b": "what\n"}, []),
        ("0::/../elsewhere\n", {}, []),
    ],
)
def test_quotas_of_the_second_version(tmp_path, own, files, expected):
    written(tmp_path, cgroup=own)
    for place, text in files.items():
        written(tmp_path / "fs" / place, cpu__max=text)
    assert quotas(tmp_path / "fs", tmp_path / "cgroup") == expected


def test_quotas_of_the_first_version(tmp_path):
    written(tmp_path, cgroup="3:memory:/a\n2:cpu,cpuacct:/a\n1:name=systemd:/a\n")
    written(tmp_path / "fs" / "cpu,cpuacct" / "a", cpu__cfs_quota_us="25000", cpu__cfs_period_us="100000")
    written(tmp_path / "fs" / "cpu,cpuacct", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    assert quotas(tmp_path / "fs", tmp_path / "cgroup") == [0.25]


def test_a_system_without_control_groups_has_the_cores_of_the_process(tmp_path, monkeypatch):
    assert quotas(tmp_path, tmp_path / "none") == []
    monkeypatch.setattr(machine, "quotas", list)
    assert cores() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(("quota", "threads"), [(0.5, "1"), (1.9, "1")])
def test_threads_are_the_whole_cores_of_a_quota(monkeypatch, quota, threads):
    monkeypatch.setattr(machine, "quotas", lambda: [quota])
    environment = {}
    share_cores(environment)
    assert environment == {"OMP_NUM_THREADS": threads, "GOMP_SPINCOUNT": machine.FEW_SPINS}


def test_what_the_user_says_holds(monkeypatch):
    monkeypatch.setattr(machine, "quotas", lambda: [1.0])
    said = {"OMP_NUM_THREADS": "3", "OMP_WAIT_POLICY": "active"}
    environment = dict(said)
    share_cores(environment)
    assert environment == said
    environment = {"GOMP_SPINCOUNT": "7", "OMP_NUM_THREADS": "2"}
    share_cores(environment)
    assert environment["GOMP_SPINCOUNT"] == "7"
