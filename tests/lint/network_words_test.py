"""A network's words stay in its own folder, so that the next network touches nothing else.

usage: network_words_test.py SOURCE_DIR
"""

import pathlib
import re
import sys
import tempfile
import unittest

ROOT = pathlib.Path(sys.argv.pop(1))

# Not the three letters in the middle of ClassData.
WORDS = re.compile("(?<!cla)ssd|anchor", re.IGNORECASE)
# Not tests/, docs/ and examples/: they show networks.
PLACES = ("libs", "services", "workers", "cli", "protos", "cmake", "compose", "scripts", "README.md", "CMakeLists.txt",
          "CMakePresets.json")

# A file, or a folder with all that it holds, and why the words may be there.
EXCEPTIONS = {
    # The network itself.
    "libs/networks/ssd/": "the network",
    "libs/training/losses/ssd_loss.h": "its loss",
    "libs/training/losses/ssd_loss.cc": "its loss",
    "protos/trainyard/spec/ssd/": "its spec",
    "protos/trainyard/model/v1/model_record.proto": "its head, which model files hold",
    # Lists that have a line for each network.
    "libs/networks/registry.cc": "the list of networks",
    "libs/networks/CMakeLists.txt": "their files",
    "libs/networks/README.md": "their folders",
    "libs/training/losses/loss.cc": "the list of losses",
    "libs/training/CMakeLists.txt": "their files",
    # Other meanings and examples.
    "README.md": "the commands of the first pages",
    "libs/report/chart.cc": "text-anchor is an attribute of SVG",
    "libs/pruning/internal/plan.cc": "TAO's prune protects layers of these names, whatever the network; the list is TAO's",
    "protos/trainyard/model/v1/engine_header.proto": "a file's name as an example",
    "protos/trainyard/v1/capabilities.proto": "a network's name as an example",
    "protos/trainyard/v1/stage.proto": "a network's name as an example",
    "protos/trainyard/worker/v1/worker.proto": "a network's name as an example",
    "protos/trainyard/spec/common/": "comments say which fields the only network that reads them ignores",
    "protos/trainyard/spec/dataset/": "comments say which fields the only network that reads them ignores",
    "libs/base/yaml_document.cc": "YAML has anchors of its own",
    "scripts/tao-shim": "TAO's own commands, by their names",
}


def files(root):
    for place in PLACES:
        path = root / place
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                yield file


def exception_of(name):
    """The longest exception that holds the file; None for most."""
    holding = [one for one in EXCEPTIONS if name == one or (one.endswith("/") and name.startswith(one))]
    return max(holding, key=len, default=None)


def findings(root):
    """Pairs of an exception, or None, and `file:line: text` for each line with one of the words."""
    for file in files(root):
        name = file.relative_to(root).as_posix()
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
            if WORDS.search(line):
                yield exception_of(name), f"{name}:{number}: {line.strip()}"


class NetworkWordsTest(unittest.TestCase):
    def test_no_file_knows_another_rooms_network(self):
        self.assertEqual([text for exception, text in findings(ROOT) if exception is None], [])

    def test_every_exception_is_needed(self):
        used = {exception for exception, _ in findings(ROOT)}
        self.assertEqual([one for one in EXCEPTIONS if one not in used], [])

    def test_it_sees_what_it_should(self):
        for name, text, seen in (("libs/data/box.h", "// Anchors on it.", True),
                                 ("libs/networks/transfer.cc", '"ssd_config"', True),
                                 ("libs/networks/ssd/anchors.h", "SSD's anchors", False),
                                 ("libs/networks/registry.cc", "&SsdFamily()", False),
                                 ("libs/data/box.h", "OpenClassData(ssd)", True),
                                 ("libs/data/box.h", "OpenClassData", False),
                                 ("libs/data/box.h", "// Boxes.", False)):
            with tempfile.TemporaryDirectory() as folder:
                file = pathlib.Path(folder) / name
                file.parent.mkdir(parents=True)
                file.write_text(text + "\n")
                found = [text for exception, text in findings(pathlib.Path(folder)) if exception is None]
                self.assertEqual(len(found), int(seen), f"{name}: {text}")


if __name__ == "__main__":
    unittest.main()
