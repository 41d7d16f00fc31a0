"""Who may import whom, what an import may do, and what a reader may rely on: the rules of docs/architecture.md."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(path.name for path in (ROOT / "packages").iterdir() if (path / "pyproject.toml").exists())
PROJECTS = sorted(path.parent.name for path in (ROOT / "projects").glob("*/Pulumi.yaml"))
LAMBDA_PACKAGES = [name for name in PACKAGES if name.endswith("_lambda")]
INTERNAL = {*PACKAGES, *(f"{name}_project" for name in PROJECTS)}

PACKAGE_IMPORTS = {
    "pipeline_common": {"pipeline_common", "replication_core"},
    "local_cloud": {"local_cloud"},
    "pipeline_ops": {
        *("pipeline_ops", "pipeline_common", "local_cloud"),
        *("masking_policy", "record_files", "replication_core", "queue_worker"),
        *("processor_lambda", "replicator_lambda"),
    },
    "masking_policy": {"masking_policy", "record_files", "replication_core"},
    "record_files": {"record_files"},
    "replication_core": {"record_files", "replication_core"},
    "queue_worker": {"queue_worker", "replication_core"},
    **{name: {name, "queue_worker", "record_files", "replication_core"} for name in LAMBDA_PACKAGES},
}
"""The internal packages that each package may import."""

WITHOUT_AWS = {"changes", "notices", "reconcile", "recorded_calls", "route_spec", "settings"}
"""The modules of a Lambda package, or of what it stands on, that decide, and therefore know no client."""


def modules(folder: Path) -> Iterator[Path]:
    yield from (path for path in sorted(folder.rglob("*.py")) if "__pycache__" not in path.parts)


def imports(path: Path) -> set[str]:
    """Every module that a file imports, at any depth, spelled out as `package.module`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def roots(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)}


def in_package(name: str) -> list[Path]:
    """The modules of one package, a project's too."""
    (folder,) = ROOT.glob(f"*/*/src/{name}")
    return list(modules(folder))


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_the_packages_below_it(package: str) -> None:
    for path in in_package(package):
        assert roots(path) & INTERNAL <= PACKAGE_IMPORTS[package], path


@pytest.mark.parametrize("project", PROJECTS)
def test_a_project_imports_the_common_package_and_the_settings_of_its_lambda_and_no_other_project(project: str) -> None:
    for path in modules(ROOT / "projects" / project):
        assert roots(path) & INTERNAL <= {
            *(f"{project}_project", "pipeline_common", "replication_core"),
            *LAMBDA_PACKAGES,
            *(["masking_policy"] if project == "replication" else []),
        }, path
        for name in imports(path):
            package, _, rest = name.partition(".")
            if package in LAMBDA_PACKAGES:
                assert rest.partition(".")[0] == "settings", f"{path} imports {name}"
            if package == "replication_core":
                assert rest.partition(".")[0] in {"", "datasets", "delete_brake", "masking", "route_spec"}, (
                    f"{path} imports {name}"
                )


@pytest.mark.parametrize("project", PROJECTS)
def test_a_project_is_loaded_built_and_exported_in_less_than_forty_lines(project: str) -> None:
    assert len((ROOT / "projects" / project / "__main__.py").read_text().splitlines()) < 40


def test_a_class_name_is_defined_once_in_all_packages_and_projects() -> None:
    defined: dict[str, list[str]] = {}
    for path in (path for name in sorted(INTERNAL) for path in in_package(name)):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                defined.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in defined.items() if len(paths) > 1} == {}


def test_no_code_knows_an_environment_by_its_name() -> None:
    """An environment is a file: it is named by configuration."""
    names = {path.name.split(".")[1] for path in (ROOT / "projects").glob("*/Pulumi.*.yaml")}
    demo = ROOT / "packages" / "pipeline_ops" / "src" / "pipeline_ops" / "demo"
    named = {
        (path.stem, node.value)
        for folder in ("packages", "projects")
        for path in modules(ROOT / folder)
        if demo not in path.parents
        for node in _outside_examples(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in names
    }
    assert named == set()


def _outside_examples(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every node but those of what a setting's documentation has for an example."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.keyword) and node.arg == "examples"):
            yield node
            yield from _outside_examples(node)


def test_pulumi_is_imported_by_the_projects_the_infra_helpers_the_operators_commands_and_the_provider_alone() -> None:
    allowed = (
        ROOT / "packages/pipeline_common/src/pipeline_common/infra",
        ROOT / "packages/pipeline_ops",
        ROOT / "packages/local_cloud/src/local_cloud/provider",
    )
    for package in PACKAGES:
        for path in in_package(package):
            if not any(path.is_relative_to(folder) for folder in allowed):
                assert not roots(path) & {"pulumi", "pulumi_aws"}, path


PRINTING = {
    *("print", "Console", "sys.stdout.write", "sys.stderr.write"),
    *("click.echo", "click.secho", "click.prompt", "click.confirm", "click.echo_via_pager"),
}


def test_only_the_terminals_module_prints_so_that_whatever_others_wrote_is_shown_as_text() -> None:
    package = ROOT / "packages/pipeline_ops/src/pipeline_ops"
    own = package / "terminal.py"
    for path in in_package("pipeline_ops"):
        if path == own:
            continue
        if path != package / "progress.py":  # draws on a console that it is given
            assert "rich" not in roots(path), f"{path}: lay it out and print it by pipeline_ops.terminal"
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in PRINTING, f"{path}:{node.lineno}: print by pipeline_ops.terminal"


def test_a_suggested_command_is_written_by_what_knows_where_the_present_one_goes() -> None:
    folders = [*(ROOT / "packages" / package / "src" for package in PACKAGES), ROOT / "projects"]
    for path in (path for folder in folders for path in modules(folder)):
        tree = ast.parse(path.read_text())
        documented = [
            node.body[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node)
        ]
        aside = {id(each) for statement in documented for each in ast.walk(statement)}
        for node in ast.walk(tree):
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            assert "nox -s" not in text or id(node) in aside or path.name == "where.py", (
                f"{path}:{getattr(node, 'lineno', 0)}: use Where.command of pipeline_ops.where"
            )


def test_the_common_package_needs_nothing_but_datasets_versions_and_the_standard_library_outside_infra() -> None:
    for path in in_package("pipeline_common"):
        core = {name for name in imports(path) if name.startswith("replication_core.")}
        assert {name.split(".")[1] for name in core} <= {"datasets", "route_spec"}, path
        if "infra" not in path.parts:
            assert roots(path) - {"pipeline_common", "replication_core", "semver"} <= sys.stdlib_module_names, path


@pytest.mark.parametrize("package", [*LAMBDA_PACKAGES, "replication_core", "queue_worker"])
def test_what_decides_inside_a_lambda_knows_no_client(package: str) -> None:
    for path in in_package(package):
        if path.stem in WITHOUT_AWS:
            assert not roots(path) & {"boto3", "botocore", "s3transfer", "aws_lambda_powertools"}, path


IMPORT_EVERYTHING = """
import importlib, os, socket, sys
os.environ.clear()
def refuse(*arguments, **keywords):
    raise AssertionError(f"at import: {arguments} {keywords}")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
import boto3, botocore.session
boto3.client = boto3.resource = boto3.Session.client = boto3.Session.resource = refuse
botocore.session.Session.create_client = refuse
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


@pytest.mark.parametrize("package", sorted(INTERNAL))
def test_importing_a_package_reads_no_configuration_opens_no_client_and_no_connection(package: str) -> None:
    (source,) = ROOT.glob(f"*/*/src/{package}")
    names = [
        ".".join(path.relative_to(source.parent).with_suffix("").parts)
        for path in in_package(package)
        if path.stem not in {"__init__", "__main__"}
    ]
    answer = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERYTHING, *names], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr


def test_every_test_file_is_one_that_pytest_collects() -> None:
    helpers = {"conftest.py", "__init__.py"}
    for path in modules(ROOT / "tests"):
        defines_tests = any(
            isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
            for node in ast.walk(ast.parse(path.read_text()))
        )
        if defines_tests:
            assert path.name.startswith("test_") or path.name in helpers, path


def test_no_test_sleeps() -> None:
    for path in modules(ROOT / "tests"):
        for node in ast.walk(ast.parse(path.read_text())):
            sleeps = isinstance(node, ast.Call) and ast.unparse(node.func) in {"time.sleep", "sleep"}
            assert not sleeps or "polling" in path.stem, f"{path}: poll with a deadline (tests/polling.py)"


def test_no_requirement_file_carries_an_address_and_each_line_is_hashed() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text()
        assert "://" not in text, path
        for line in text.splitlines():
            if line and not line.startswith((" ", "#")):
                assert line.endswith("\\"), f"{path}: {line} has no hash"
