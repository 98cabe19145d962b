"""A namespace a room: what a room declares lies in trainyard::ROOM (docs/architecture.md).

usage: namespaces_test.py SOURCE_DIR
"""

import pathlib
import re
import sys
import tempfile
import unittest

ROOT = pathlib.Path(sys.argv.pop(1))

NAMESPACE = re.compile(r"^(?:inline )?namespace (trainyard(?:::\w+)*) \{", re.MULTILINE)
DIRECTIVE = re.compile(r"^\s*using namespace .*", re.MULTILINE)
# The vocabulary of the house: status macros, files, Tensor, Model.
PLAIN = {"base", "tensor", "model"}


def home(path):
    """The namespace that the file's names belong to."""
    top, name = path.split("/")[:2]
    if top == "cli":
        return "trainyard::cli"
    if top == "services":
        return "trainyard::orchestrator" if name == "orchestrator" else "trainyard::services"
    if top == "workers":
        return "trainyard::" + name.replace("-", "_")
    return "trainyard" if name in PLAIN else f"trainyard::{name}"


def faults(root):
    found = []
    for top in ("libs", "services", "workers", "cli"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix not in (".cc", ".h"):
                continue
            name, text = path.relative_to(root).as_posix(), path.read_text()
            room = home(name)
            for opened in NAMESPACE.findall(text):
                below = opened.startswith(room + "::") and (room != "trainyard" or opened == "trainyard::internal")
                if opened != room and not below:
                    found.append(f"{name} declares names in {opened}, expected {room}")
            if path.suffix == ".h":
                found += [f"{name} opens a whole namespace to who includes it: {line.strip()}"
                          for line in DIRECTIVE.findall(text)]
    return found


class NamespacesTest(unittest.TestCase):
    def test_each_room_has_its_own(self):
        self.assertEqual(faults(ROOT), [])

    def test_it_sees_what_it_should(self):
        for path, text in (("libs/data/a.h", "namespace trainyard {\n"),
                           ("libs/data/a.h", "namespace trainyard::internal {\n"),
                           ("libs/data/a.cc", "namespace trainyard::graph {\n"),
                           ("libs/data/internal/a.cc", "namespace trainyard::database {\n"),
                           ("libs/data/a.h", "namespace trainyard::data {\nusing namespace std::literals;\n"),
                           ("libs/base/a.h", "namespace trainyard::base {\n"),
                           ("services/train/a.cc", "namespace trainyard {\n"),
                           ("workers/stage-worker/a.cc", "namespace trainyard::engine_worker {\n"),
                           ("cli/network/a.cc", "namespace trainyard::networks {\n")):
            with tempfile.TemporaryDirectory() as folder:
                file = pathlib.Path(folder) / path
                file.parent.mkdir(parents=True)
                file.write_text(text)
                self.assertEqual(len(faults(pathlib.Path(folder))), 1, f"{path}: {text}")


if __name__ == "__main__":
    unittest.main()
