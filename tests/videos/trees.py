"""A directory tree as a file system keeps it, and what SFTPGo would tell of each step."""

from random import Random

from videos.timeline import Action

NAMES = ("a", "b", "c")


class Tree:
    """``files``: sizes by path. ``told``: (action, path, target, size), as it came to pass."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.files: dict[str, int] = {}
        self.told: list[tuple[Action, str, str, int]] = []

    def live(self, steps: int) -> "Tree":
        for _ in range(steps):
            self.random.choice((self.upload, self.upload, self.delete, self.rename, self.move))()
        return self

    def upload(self) -> None:
        path = self.place()
        size = self.random.randrange(0, 50)
        self.files[path] = size
        self.told.append((Action.UPLOAD, path, "", size))

    def delete(self) -> None:
        if self.files:
            path = self.random.choice(sorted(self.files))
            self.told.append((Action.DELETE, path, "", self.files.pop(path)))

    def rename(self) -> None:
        target = self.place()
        sources = sorted(self.files.keys() - {target})
        if sources:
            source = self.random.choice(sources)
            self.files[target] = self.files.pop(source)
            self.told.append((Action.RENAME, source, target, 0))

    def move(self) -> None:
        """A directory, to a name that is free: SFTPGo overwrites none."""
        source, target = self.random.sample([f"/{name}" for name in NAMES], 2)
        inside = [path for path in self.files if path.startswith(f"{source}/")]
        if inside and not any(path.startswith(f"{target}/") for path in self.files):
            for path in inside:
                self.files[target + path[len(source) :]] = self.files.pop(path)
            self.told.append((Action.RENAME, source, target, 0))

    def place(self) -> str:
        """A file is no directory."""
        name = self.random.choice(NAMES)
        return (
            f"/{self.random.choice(NAMES)}/{name}" if self.random.random() < 0.6 else f"/{name}.x"
        )
