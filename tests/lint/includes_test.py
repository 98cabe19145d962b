"""Arrows between rooms, by what their files include (docs/architecture.md).

usage: includes_test.py SOURCE_DIR LIBRARY... (the libraries from the lowest to the highest)
"""

import pathlib
import re
import sys
import tempfile
import unittest

ROOT = pathlib.Path(sys.argv.pop(1))
LIBRARIES = sys.argv[1:]
del sys.argv[1:]

INCLUDE = re.compile(r'^\s*#\s*include\s+"((?:libs|services|workers|cli)/[^"]+)"', re.MULTILINE)
# Who may run networks, and which header of those rooms is free of their runtime.
RUNNERS = {"libs/training": {"workers/train-worker"}, "libs/engine": {"workers/engine-worker"}}
PLAIN_HEADERS = {"libs/engine/limits.h"}
# Networks have a folder each; what programs want to know of one they ask the registry.
NETWORKS = sorted(path.name for path in (ROOT / "libs/networks").iterdir() if path.is_dir())
PROGRAMS = ("services", "workers", "cli")


def room_of(path):
    """libs/data of libs/data/tfrecord/shards.h; the whole command line is one room."""
    top, name = path.split("/")[:2]
    return "cli" if top == "cli" else f"{top}/{name}"


def wrong(user, included):
    """Why a file of the room `user` may not include the header; "" when it may."""
    used = room_of(included)
    if used == user:
        return ""
    if "/internal/" in included:
        return f"internal to {used}"
    if user.split("/")[0] in PROGRAMS and included.startswith(tuple(f"libs/networks/{name}/" for name in NETWORKS)):
        return "a program knows no network"
    if used in RUNNERS and not user.startswith("libs/"):
        return "" if user in RUNNERS[used] or included in PLAIN_HEADERS else "only its worker runs networks"
    if user.startswith("libs/"):
        if not used.startswith("libs/"):
            return "a library knows no program"
        rank = {f"libs/{name}": place for place, name in enumerate(LIBRARIES)}
        return "" if rank.get(used, 1 << 30) < rank[user] else "it lies above"
    if user.startswith("workers/") and not used.startswith("libs/"):
        return "a worker knows no service"
    if user.startswith("services/") and not used.startswith("libs/") and used != "services/stage_request":
        return "services meet over gRPC"
    return ""


def faults(root):
    found = []
    for top in ("libs", "services", "workers", "cli"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix not in (".cc", ".h"):
                continue
            name = path.relative_to(root).as_posix()
            for included in INCLUDE.findall(path.read_text()):
                why = wrong(room_of(name), included)
                if why:
                    found.append(f"{name} includes {included}: {why}")
    return found


class IncludesTest(unittest.TestCase):
    def test_no_arrow_points_up(self):
        self.assertEqual(faults(ROOT), [])

    def test_every_room_has_its_place(self):
        rooms = {path.parent.name for path in (ROOT / "libs").glob("*/CMakeLists.txt")}
        self.assertEqual(rooms, set(LIBRARIES))

    def test_it_sees_what_it_should(self):
        for user, included in (("libs/graph/a.cc", "libs/service/key.h"),
                               ("libs/base/a.h", "libs/tensor/tensor.h"),
                               ("libs/service/a.cc", "services/train/prepare.h"),
                               ("libs/report/a.cc", "libs/worker/internal/watcher.h"),
                               ("services/train/a.cc", "libs/training/trainer.h"),
                               ("services/train/a.cc", "services/prune/prepare.h"),
                               ("workers/stage-worker/a.cc", "libs/engine/engine.h"),
                               ("services/export/a.cc", f"libs/networks/{NETWORKS[0]}/a.h"),
                               ("cli/network/a.cc", "libs/training/trainer.h")):
            with tempfile.TemporaryDirectory() as folder:
                file = pathlib.Path(folder) / user
                file.parent.mkdir(parents=True)
                file.write_text(f'#include <string>\n\n#include "{included}"\n')
                self.assertEqual(len(faults(pathlib.Path(folder))), 1, f"{user} includes {included}")


if __name__ == "__main__":
    unittest.main()
