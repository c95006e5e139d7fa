"""As whom the servers run. PostgreSQL refuses root, rightly."""

import os
import pwd
from pathlib import Path

from config.embedded.errors import NoFitIdentity
from config.embedded.processes import run_process


def choose_identity(folder: Path, program: Path) -> str:
    """Find an identity (see child.py) that may work in `folder`, and give it the folder.

    An ordinary user runs the servers directly, or in a user namespace where the system has no name
    for it. Root runs them as the owner of the folder where that is an ordinary user, else in a user
    namespace, else as `nobody`; the last resort is a `nobody` who may enter folders that are closed
    to it, for a project in /root.

    Args:
        folder: is made if it doesn't exist; what is in it changes owner where needed.
        program: must be allowed to run.
    Raises:
        NoFitIdentity: nobody may work there.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except PermissionError:
        raise NoFitIdentity(_not_yours(folder.parent)) from None
    user = os.geteuid()
    if user != 0 and folder.stat().st_uid != user:
        raise NoFitIdentity(_not_yours(folder))
    for identity, uid, gid in _candidates_of_root(folder) if user == 0 else _candidates_of(user):
        _give(folder, uid, gid)
        if run_process(["--probe", str(folder), str(program)], identity=identity).returncode == 0:
            return identity
    if user != 0:
        raise NoFitIdentity(
            f"The system has no name for user {user}, which PostgreSQL asks for, and a user "
            "namespace is not allowed here. Add the user to /etc/passwd."
        )
    raise NoFitIdentity(
        "PostgreSQL refuses to run as root. A user namespace is not allowed here, and the user "
        f"`nobody` can't work in {folder} with {program}. Run Terrace as an ordinary user, or move "
        "it to a folder that everybody may enter, such as /srv."
    )


def _candidates_of(user: int) -> list[tuple[str, int, int]]:
    group = os.getegid()
    return [("same", user, group), (_namespace(), user, group)]


def _candidates_of_root(folder: Path) -> list[tuple[str, int, int]]:
    found = [(_namespace(), 0, 0)]
    for place in (folder, folder.parent):
        status = place.stat()
        if status.st_uid != 0:
            found.insert(0, (f"{status.st_uid}:{status.st_gid}", status.st_uid, status.st_gid))
            break
    nobody = pwd.getpwnam("nobody")
    for enters in ("", ":enters"):
        identity = f"{nobody.pw_uid}:{nobody.pw_gid}{enters}"
        found.append((identity, nobody.pw_uid, nobody.pw_gid))
    return found


def _namespace() -> str:
    """A namespace whose user has a name: any ordinary one will do."""
    return f"userns:{next(user.pw_uid for user in pwd.getpwall() if user.pw_uid != 0)}"


def _give(folder: Path, uid: int, gid: int) -> None:
    if folder.stat().st_uid == uid:
        return
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(Path(place) / name, uid, gid, follow_symlinks=False)
    os.chown(folder, uid, gid)


def _not_yours(folder: Path) -> str:
    status = folder.stat()
    try:
        owner = pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        owner = f"user {status.st_uid}"
    return (
        f"{folder} belongs to {owner}. Run Terrace as {owner}, "
        "or set TERRACE_DATA_DIR to a folder of yours."
    )
