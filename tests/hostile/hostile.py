"""Attacks on real services, one a row. After each the services are alive, and the answer was clear.

    hostile.py [--all] [Row.test ...]

Without --all the rows that take long are skipped.
"""

import os
import sys

if "--all" in sys.argv:
    sys.argv.remove("--all")
    os.environ["TRAINYARD_HOSTILE_ALL"] = "1"

import unittest  # noqa: E402

from calls import *  # noqa: E402,F401,F403
from crashes import *  # noqa: E402,F401,F403
from files import *  # noqa: E402,F401,F403
from pipelines import *  # noqa: E402,F401,F403

if __name__ == "__main__":
    unittest.main(verbosity=2)
