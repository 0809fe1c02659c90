"""The memory that a sweep may take."""

import numpy as np

from jaxtile.sweeping.memory import free_in_groups


def test_limits_of_containers_and_jobs_are_seen(tmp_path):
    """Of the process's own group and those above it, in both versions; files in the cache count as free."""

    def group(folder, **files):
        (tmp_path / folder).mkdir(parents=True)
        for name, text in files.items():
            (tmp_path / folder / f"memory.{name}").write_text(text)

    group("two/job/step", max="max\n", current="70\n", stat="inactive_file 5\n")
    (tmp_path / "two/job/memory.max").write_text("100\n")
    (tmp_path / "two/job/memory.current").write_text("80\n")
    (tmp_path / "two/job/memory.stat").write_text("anon 60\ninactive_file 15\n")
    group("one/memory", limit_in_bytes="50\n", usage_in_bytes="40\n", stat="inactive_file 1\ntotal_inactive_file 2\n")
    own = tmp_path / "cgroup"
    for text, root, free in (
        ("0::/job/step\n", "two", 35),
        ("4:cpu,memory:/elsewhere\n1:pids:/\n", "one", 12),
        ("0::/\n", "two", np.inf),
    ):
        own.write_text(text)
        assert free_in_groups(str(own), str(tmp_path / root)) == free
