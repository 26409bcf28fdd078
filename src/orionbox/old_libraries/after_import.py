"""Changes modules right after their import, so that nothing is imported for the sake of a change."""

from __future__ import annotations

from collections.abc import Callable
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType


class AfterImport(MetaPathFinder):
    """Changes modules right after their import.

    Args:
        changes: the change of each module, by its name.
    """

    def __init__(self, changes: dict[str, Callable[[ModuleType], None]]) -> None:
        self.changes = changes

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Finds a module that has a change, and leaves all others to the next finder."""
        change = self.changes.pop(name, None)
        spec = find_spec(name) if change else None
        if not change or not spec or not spec.loader:
            return None
        execute = spec.loader.exec_module

        def execute_and_change(module: ModuleType) -> None:
            execute(module)
            change(module)

        spec.loader.exec_module = execute_and_change  # type: ignore[method-assign]
        return spec
