"""Which system user runs the embedded server: PostgreSQL refuses to run as root.

An ordinary user runs it as himself. Root runs it as the owner of the cluster, or, for a new one, as a user made for it.
"""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kokex.domain.errors import StoreUnavailableError

_NAME = "pgserver"


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The system user that owns the cluster's files. `switch`: this process is root and must become that user."""

    uid: int
    gid: int
    switch: bool

    def give(self, path: Path) -> None:
        """Make the user the owner of `path`."""
        if self.switch:
            os.chown(path, self.uid, self.gid)

    def admit(self, path: Path) -> None:
        """Let the user pass through the folders above `path`: search permission only, and only where it is missing."""
        if not self.switch:
            return
        for folder in path.parents:
            mode = folder.stat().st_mode
            if not mode & stat.S_IXOTH:
                folder.chmod(mode | stat.S_IXOTH)

    def process_options(self) -> dict[str, Any]:
        """Arguments of `subprocess.run` that make a child run as this user."""
        if not self.switch:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": ()}


def server_user(cluster: Path) -> ServerUser:
    """Who runs the server of `cluster`, which need not exist yet.

    Raises:
        StoreUnavailableError: the cluster is another user's, or root could make no user for it.
    """
    me = os.geteuid()
    owner = cluster.stat() if cluster.exists() else None
    if me != 0:
        if owner is not None and owner.st_uid != me:
            raise StoreUnavailableError(
                f"the database in {cluster} belongs to user {_user_name(owner.st_uid)}, not to {_user_name(me)}; "
                "run as that user, or use another data folder"
            )
        return ServerUser(me, os.getegid(), switch=False)
    if owner is not None and owner.st_uid != 0:
        return ServerUser(owner.st_uid, owner.st_gid, switch=True)
    entry = _own_user()
    return ServerUser(entry.pw_uid, entry.pw_gid, switch=True)


def _own_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(_NAME)
    except KeyError:
        pass
    command = ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", _NAME]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own words
    except (OSError, subprocess.CalledProcessError) as error:
        try:
            return pwd.getpwnam(_NAME)  # made by another process meanwhile
        except KeyError:
            raise StoreUnavailableError(
                f"PostgreSQL does not run as root, and the system user {_NAME} could not be made ({error}); "
                "run as an ordinary user, or make that user"
            ) from error
    return pwd.getpwnam(_NAME)


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
