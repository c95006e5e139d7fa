"""What runs between fork and exec of a server: who it is, and that it dies with its parent.

    python -I child.py PARENT SIGNAL IDENTITY [--probe FOLDER] COMMAND…

A script of its own, so that nothing but exec follows, whatever threads the parent has. Standard
library only; imports nothing of ours.

PARENT is the process id that must still be our parent. SIGNAL is sent by the kernel when the
parent's thread that started us ends (prctl(2), PR_SET_PDEATHSIG); the kernel forgets it when a
process changes its user, so it is set last. IDENTITY is one of

    same            as the parent
    userns:UID      as the parent, and UID inside a user namespace of its own (user_namespaces(7))
    UID:GID         that user, without supplementary groups
    UID:GID:enters  that user, who may also enter folders that are closed to it (capabilities(7))

With --probe, nothing is started: exit status 0 says that this identity isn't root, has a name (initdb
asks for it), can write to FOLDER and can run COMMAND.
"""

import ctypes
import os
import pwd
import signal
import sys
from pathlib import Path
from typing import NoReturn

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP = 28, 1 << 2
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2
CAP_DAC_OVERRIDE = 1
LINUX_CAPABILITY_VERSION_3 = 0x20080522

libc = ctypes.CDLL(None, use_errno=True)


def enter_user_namespace(inner: str) -> None:
    """Become user `inner` of a new namespace, where the present user is the only one there is."""
    uid, gid = os.geteuid(), os.getegid()
    _call("unshare", CLONE_NEWUSER)
    # Without rights in the parent namespace, groups may only be mapped once setgroups is denied.
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{inner} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{inner} {gid} 1")


def take_identity(identity: str) -> None:
    """Become who IDENTITY names, for good."""
    if identity.startswith("userns:"):
        enter_user_namespace(identity.partition(":")[2])
    elif identity != "same":
        uid, gid, *enters = identity.split(":")
        if enters:
            # Keeps capabilities over setuid(2), and has access(2) count them: PostgreSQL asks it.
            _call("prctl", PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
        if enters:
            keep_one_capability(CAP_DAC_OVERRIDE)


def keep_one_capability(number: int) -> None:
    """Give up every capability but this one, and keep it over exec."""
    header = (ctypes.c_uint32 * 2)(LINUX_CAPABILITY_VERSION_3, 0)
    # Effective, permitted, inheritable: of capabilities 0 to 31, then of 32 to 63.
    sets = (ctypes.c_uint32 * 6)(1 << number, 1 << number, 1 << number, 0, 0, 0)
    _call("capset", header, sets)
    _call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0)


def _call(function: str, *arguments: object) -> None:
    """A libc function that answers 0 where all went well."""
    if getattr(libc, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


def die_with(parent: int, death_signal: int) -> None:
    """Have the kernel send `death_signal` when the parent ends; leave now if it already has."""
    _call("prctl", PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)


def is_fit(folder: str, program: str) -> bool:
    """Whether this process isn't root, has a name, may write to the folder and run the program."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return (
        os.geteuid() != 0
        and os.access(folder, os.R_OK | os.W_OK | os.X_OK)
        and os.access(program, os.R_OK | os.X_OK)
    )


def main(arguments: list[str]) -> NoReturn:
    """Prepare this process as the arguments say, then become COMMAND."""
    parent, death_signal, identity, *command = arguments
    try:
        take_identity(identity)
    except OSError as error:
        sys.exit(f"can't become {identity}: {error}")
    if command[0] == "--probe":
        sys.exit(0 if is_fit(command[1], command[2]) else 1)
    die_with(int(parent), int(death_signal))
    # Python ignores these two, and exec would hand that down; a shell may have set the third.
    for name in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
        signal.signal(name, signal.SIG_DFL)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
