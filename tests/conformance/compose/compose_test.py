"""What compose/ promises: six services that start in order, scale, keep their state and have few rights."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import house

COMPOSE = house.SOURCE / "compose"
STAGES = ("convert", "train", "prune", "export", "convert-engine")
SERVICES = (*STAGES, "orchestrator")
TRUE = ("true", True)


def merged(node):
    """The same tree with YAML's merge keys applied: what a mapping says itself wins."""
    if isinstance(node, list):
        return [merged(item) for item in node]
    if not isinstance(node, dict):
        return node
    base = merged(node["<<"]) if "<<" in node else {}
    return {**base, **{key: merged(value) for key, value in node.items() if key != "<<"}}


def load(path):
    done = subprocess.run([os.environ["YAML_TO_JSON"], path], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return merged(json.loads(done.stdout))


def volumes(service):
    """{path in the container: volume or folder}."""
    # The default of a variable may hold colons, so the path is what follows the last one.
    return dict(reversed(volume.rsplit(":", 1)) for volume in service["volumes"])


class ComposeFileTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.file = load(COMPOSE / "compose.yaml")
        cls.services = cls.file["services"]

    def each(self):
        return [(name, self.services[name]) for name in SERVICES]

    def test_the_six_services_start_without_a_profile_and_nothing_else_does(self):
        self.assertNotIn("version", self.file)
        started = {name for name, service in self.services.items() if "profiles" not in service}
        self.assertEqual(started, set(SERVICES))

    def test_all_see_one_workspace(self):
        sources = {volumes(service)["/workspace"] for service in self.services.values()}
        self.assertEqual(len(sources), 1, sources)
        self.assertIn("workspace", self.file["volumes"])

    def test_each_has_a_state_volume_of_its_own(self):
        states = [volumes(service)["/state"] for _, service in self.each()]
        self.assertEqual(len(set(states)), len(SERVICES), states)
        self.assertLessEqual(set(states), set(self.file["volumes"]))

    def test_health_is_asked_by_the_program_itself_where_it_listens(self):
        image = dockerfile()
        for name, service in self.each():
            with self.subTest(service=name):
                port = service.get("expose", [None])[0] or service["ports"][0].rsplit(":", 1)[1]
                self.assertEqual(service["healthcheck"]["test"],
                                 ["CMD", f"trainyard-{name}", "healthcheck", f"--addr=127.0.0.1:{port}"])
                self.assertIn(f"ENV TRAINYARD_LISTEN=0.0.0.0:{port}", image[name])
                for key in ("interval", "timeout", "retries", "start_period", "start_interval"):
                    self.assertIn(key, service["healthcheck"])

    def test_a_service_can_be_scaled(self):
        for name in STAGES:
            with self.subTest(service=name):
                self.assertNotIn("container_name", self.services[name])
                self.assertNotIn("ports", self.services[name])

    def test_the_host_reaches_the_orchestrator_on_its_loopback_only(self):
        (port,) = self.services["orchestrator"]["ports"]
        self.assertTrue(port.startswith("127.0.0.1:"), port)

    def test_the_orchestrator_knows_the_stages_and_waits_for_their_health(self):
        orchestrator = self.services["orchestrator"]
        self.assertEqual(set(orchestrator["depends_on"]), set(STAGES))
        for wait in orchestrator["depends_on"].values():
            self.assertEqual(wait["condition"], "service_healthy")
        words = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", orchestrator["environment"]["TRAINYARD_SERVICE"])
        ports = {name: self.services[name]["expose"][0] for name in STAGES}
        self.assertEqual(words.split(","), [f"{name}={name}:{ports[name]}" for name in STAGES])

    def test_the_key_is_a_secret_and_in_no_environment(self):
        self.assertIn("file", self.file["secrets"]["trainyard_key"])
        for name, service in self.each():
            with self.subTest(service=name):
                self.assertEqual(service["secrets"], ["trainyard_key"])
                self.assertFalse([word for word in service["environment"] if "KEY" in word])

    def test_services_have_few_rights(self):
        for name, service in self.each():
            with self.subTest(service=name):
                self.assertNotRegex(service["user"], r"^(root|0)\b")
                self.assertNotRegex(service["user"], r":-0")
                self.assertEqual(service["cap_drop"], ["ALL"])
                self.assertNotIn("cap_add", service)
                self.assertIn(service["read_only"], TRUE)
                self.assertIn("no-new-privileges:true", service["security_opt"])
                self.assertNotIn("privileged", service)

    def test_a_stop_leaves_time_for_checkpoints(self):
        for name, service in self.each():
            with self.subTest(service=name):
                self.assertGreaterEqual(int(service["stop_grace_period"].rstrip("s")), 30)
                self.assertIn(service["init"], TRUE)

    def test_every_setting_is_one_that_the_program_knows(self):
        for name, service in self.each():
            with self.subTest(service=name):
                settings = set(service["environment"])
                settings |= set(re.findall(r"TRAINYARD_\w+(?==)", "".join(dockerfile()["service"])))
                help_text = subprocess.run([house.BIN / f"trainyard-{name}", "--help"], capture_output=True,
                                           text=True, check=True).stdout
                for setting in settings:
                    flag = "--" + setting.removeprefix("TRAINYARD_").lower().replace("_", "-")
                    self.assertIn(f" {flag} ", help_text)

    def test_dockers_own_reader_takes_it(self):
        docker = shutil.which("docker")
        if not docker or subprocess.run([docker, "compose", "version"], capture_output=True).returncode:
            self.skipTest("docker compose is not here")
        done = subprocess.run([docker, "compose", "-f", COMPOSE / "compose.yaml", "config", "--quiet"],
                              capture_output=True, text=True,
                              env={**os.environ, "TRAINYARD_KEY_FILE": "/dev/null"})
        self.assertEqual(done.returncode, 0, done.stderr)


def dockerfile():
    """{stage: its lines}, with lines that end in a backslash joined; the first line is its FROM."""
    stages, name = {}, None
    text = (COMPOSE / "Dockerfile").read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("FROM "):
            name = line.split(" AS ")[1]
            stages[name] = []
        stages[name].append(line)
    return stages


def programs(stage):
    """What compose/collect puts into the image of a stage."""
    (line,) = [line for line in dockerfile()[f"{stage}-files"] if line.startswith("RUN compose/collect")]
    return line.split(" && ")[0].split()[3:]


class DockerfileTest(unittest.TestCase):
    def test_every_service_has_a_target_that_is_built_from_this_file(self):
        stages = dockerfile()
        services = load(COMPOSE / "compose.yaml")["services"]
        for name, service in services.items():
            build = service["build"]
            self.assertEqual((COMPOSE / build["context"] / build["dockerfile"]).resolve(),
                             (COMPOSE / "Dockerfile").resolve())
            self.assertEqual(build["target"], name)
            self.assertIn(name, stages)
            self.assertIn(f"COPY --from={name}-files /image /opt/trainyard", stages[name])

    def test_no_image_runs_as_root(self):
        stages = dockerfile()
        for name in (*SERVICES, "cli"):
            users = [line for line in stages[name] if line.startswith("USER ")]
            self.assertEqual(users[-1], "USER 10001:10001", name)

    def test_runtimes_are_only_where_their_workers_are(self):
        workers = {name: [p for p in programs(name) if p.endswith("-worker")] for name in SERVICES}
        self.assertEqual(workers, {
            "convert": ["trainyard-stage-worker"], "prune": ["trainyard-stage-worker"],
            "orchestrator": ["trainyard-stage-worker"], "train": ["trainyard-train-worker"],
            "export": ["trainyard-stage-worker", "trainyard-engine-worker"],
            "convert-engine": ["trainyard-engine-worker"]})

    def test_an_image_carries_its_own_libraries_only(self):
        expected = {"prune": (), "export": ("libopenvino.so", "libopenvino_intel_cpu_plugin.so",
                                            "libopenvino_onnx_frontend.so")}
        for name, runtime in expected.items():
            with self.subTest(image=name), tempfile.TemporaryDirectory() as folder:
                subprocess.run([COMPOSE / "collect", folder, *programs(name)], check=True,
                               capture_output=True, env={**os.environ, "PRESET": house.BUILD.name})
                there = {p.name for p in pathlib.Path(folder, "bin").iterdir()}
                self.assertEqual(there, set(programs(name)))
                libraries = [p.name for p in pathlib.Path(folder, "lib").iterdir()]
                self.assertTrue([l for l in libraries if l.startswith("libgrpc++.so")])
                self.assertFalse([l for l in libraries if re.match(r"lib(torch|c10|cuda|c\.so|stdc)", l)])
                for library in runtime:
                    self.assertTrue([l for l in libraries if l.startswith(library)], library)
                if not runtime:
                    self.assertFalse([l for l in libraries if "openvino" in l])


class ReplicaTest(unittest.TestCase):
    """compose/replica gives containers that share a state volume a folder each."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        (self.folder / "state").mkdir()
        (self.folder / "workspace").mkdir()
        self.count = 0

    def start(self):
        self.count += 1
        port_file = self.folder / f"{self.count}.port"
        process = subprocess.Popen(
            [COMPOSE / "replica", house.BIN / "trainyard-prune"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env={**os.environ, "TRAINYARD_STATE_ROOT": str(self.folder / "state"),
                 "TRAINYARD_WORKSPACE": str(self.folder / "workspace"), "TRAINYARD_LISTEN": "127.0.0.1:0",
                 "TRAINYARD_PORT_FILE": str(port_file), "TRAINYARD_LOG_LEVEL": "error"})
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

        def port():
            self.assertIsNone(process.poll(), "ended before it served")
            return port_file.exists() and port_file.read_text().strip()

        return process, house.wait_until(port, "the replica serves")

    def replicas(self):
        """{replica: port} as the services announce themselves to each other."""
        folder = self.folder / "workspace/.trainyard/replicas/prune"
        return {path.name: path.read_text().strip().rsplit(":", 1)[1] for path in folder.iterdir()}

    def test_each_takes_the_first_folder_that_is_free_also_after_a_kill(self):
        first, first_port = self.start()
        _, second_port = self.start()
        self.assertEqual(self.replicas(), {"r1": first_port, "r2": second_port})
        first.kill()
        first.wait()
        _, third_port = self.start()
        self.assertEqual(self.replicas(), {"r1": third_port, "r2": second_port})

    def test_a_program_that_ends_gives_its_exit_code(self):
        done = subprocess.run([COMPOSE / "replica", "sh", "-c", "exit 7"],
                              env={**os.environ, "TRAINYARD_STATE_ROOT": str(self.folder / "state")})
        self.assertEqual(done.returncode, 7)


class ShimTest(unittest.TestCase):
    """scripts/tao-shim under the names that TAO's users type."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        for name in ("tao", "tlt", "tao-converter"):
            (self.folder / name).symlink_to(house.SOURCE / "scripts/tao-shim")
        echo = self.folder / "trainyard"
        echo.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
        echo.chmod(0o755)

    def run_shim(self, name, *words):
        return subprocess.run([self.folder / name, *words], capture_output=True, text=True,
                              env={**os.environ, "TRAINYARD": str(self.folder / "trainyard")})

    def test_every_road_leads_to_the_same_command(self):
        task = ["ssd", "train", "-e", "a spec.txt", "-k", "env:KEY"]
        for words in (["tao"], ["tao", "model"], ["tlt"], ["tao", "deploy"]):
            with self.subTest(words=words):
                done = self.run_shim(*words, *task)
                self.assertEqual((done.returncode, done.stdout.splitlines()), (0, task))

    def test_the_converter_is_a_command_of_its_own(self):
        done = self.run_shim("tao-converter", "-k", "env:KEY", "-d", "3,300,300", "model.etlt")
        self.assertEqual(done.stdout.splitlines(),
                         ["converter", "-k", "env:KEY", "-d", "3,300,300", "model.etlt"])

    def test_another_network_is_refused_by_name(self):
        done = self.run_shim("tao", "yolo_v4", "train")
        self.assertEqual(done.returncode, 2)
        self.assertIn("'yolo_v4' is not offered", done.stderr)

    def test_the_real_program_answers(self):
        done = subprocess.run([self.folder / "tao", "model", "ssd", "infer", "--help"],
                              capture_output=True, text=True,
                              env={**os.environ, "TRAINYARD": str(house.BIN / "trainyard")})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("--out_label_dir", done.stdout)


class BundleTest(unittest.TestCase):
    """scripts/bundle empties the folder that it is given, so that must be new or one of its own."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name).resolve()
        # A repository whose build says what would be replaced, and ends there.
        self.script = self.folder / "repository/scripts/bundle"
        self.script.parent.mkdir(parents=True)
        shutil.copy(house.SOURCE / "scripts/bundle", self.script)
        self.script.with_name("build").write_text('cd "$root"; echo "$bundle"; exit 0\n')

    def bundle(self, *words):
        return subprocess.run([self.script, *words], cwd=self.folder, capture_output=True, text=True)

    def test_a_folder_with_something_else_in_it_is_refused(self):
        (self.folder / "docs").mkdir()
        (self.folder / "docs/notes").write_text("mine")
        for words in (["docs"], [str(self.folder / "docs"), "--no-engine"]):
            done = self.bundle(*words)
            self.assertEqual((done.returncode, done.stdout), (2, ""), words)
            self.assertIn("is there and is no bundle", done.stderr)
        for words in ([], ["--no-engine", "new"], ["new", "--noengine"]):
            self.assertEqual(self.bundle(*words).returncode, 2, words)

    def test_a_name_is_seen_from_where_the_user_stands(self):
        self.assertEqual(self.bundle("new").stdout, f"{self.folder}/new\n")


if __name__ == "__main__":
    unittest.main()
