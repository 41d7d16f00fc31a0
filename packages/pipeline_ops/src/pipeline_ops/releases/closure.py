"""The closure of a project: the files that decide what a deploy of it makes, and no others.

These are the project's own folder, the modules that its program really imports, the packages that its functions'
archives hold, and the lock of the functions' dependencies. What a package declares to need is no measure: the program
imports a part of it.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pipeline_common.infra.lambda_archive import LOCK, ArchiveError, archived_packages
from pipeline_ops.errors import OperatorError

__all__ = ["Closure"]

_ARCHIVES = "function_archive"
"""The function by which a program names the package that its archive is built from."""


@dataclass(frozen=True)
class Closure:
    """What belongs to a project in a repository's folder."""

    repository: Path
    project: str

    @cached_property
    def functions(self) -> tuple[str, ...]:
        """The packages that the project's program builds its functions' archives from."""
        calls = (node for node in ast.walk(_parsed(self._program)) if isinstance(node, ast.Call))
        named = [call.args[0] for call in calls if isinstance(call.func, ast.Name) and call.func.id == _ARCHIVES]
        return tuple(sorted(str(name.value) for name in named if isinstance(name, ast.Constant)))

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """The files and folders, from the repository's folder."""
        folders = [f"projects/{self.project}"]
        for function in self.functions:
            folders += [LOCK.as_posix(), *(f"packages/{package}" for package in self._archived(function))]
        modules = {path.relative_to(self.repository).as_posix() for path in self._modules()}
        apart = {path for path in modules if not path.startswith(tuple(f"{folder}/" for folder in folders))}
        return tuple(sorted({*folders, *apart}))

    def _archived(self, function: str) -> list[str]:
        try:
            return archived_packages(function, self.repository / "packages")
        except ArchiveError as error:
            raise OperatorError(str(error)) from error

    @property
    def _program(self) -> Path:
        return self.repository / "projects" / self.project / "__main__.py"

    def _modules(self) -> set[Path]:
        """Return the modules that the program imports, at any depth, with the packages that they are in."""
        found: set[Path] = set()
        left = [self._program]
        while left:
            for module in self._imported(left.pop()):
                if module not in found:
                    found.add(module)
                    left.append(module)
        return found

    def _imported(self, path: Path) -> Iterator[Path]:
        for name in _imports(_parsed(path)):
            parts = name.split(".")
            for folder in self._sources.get(parts[0], ()):
                for end in range(1, len(parts) + 1):
                    module = folder.joinpath(*parts[:end])
                    yield from (file for file in (module.with_suffix(".py"), module / "__init__.py") if file.is_file())

    @cached_property
    def _sources(self) -> dict[str, list[Path]]:
        """The folders that each package of the repository is imported from."""
        found: dict[str, list[Path]] = {}
        for package in sorted(self.repository.glob("*/*/src/*/")):
            found.setdefault(package.name, []).append(package.parent)
        return found


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # Each name may be a module of the package.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _parsed(path: Path) -> ast.AST:
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # a program that can't run imports nothing, and running it says why
        return ast.Module([], [])
