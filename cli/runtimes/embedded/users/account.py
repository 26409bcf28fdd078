"""The account that a platform without Docker works as, which is never root's: whoever reaches it gets that account.

A command that root starts is started again as the owner of the checkout. If that is root, too, as in a container, it is
started as the system account `orionbox`, which is created if it is missing and owns nothing but the folders that a
platform writes to. The code stays root's, so that no flow can change what root runs.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NoReturn

from cli.environments import inherited
from cli.programs import ROOT, give_files_to_owner, last_lines
from cli.runtimes import checkout, folders
from cli.runtimes.embedded import virtual_environments
from cli.settings.settings import Settings
from orionbox.errors import CommandError

WRITTEN = ("data", "workspace", "reports", "backups", "bundles", "secrets", ".ports")
"""The folders of a checkout that its platform writes to, besides .embedded."""
LEVELS = 3
"""How deep to look into .embedded for files of others, such as copies that root made; all of it would take seconds."""
LAUNCHER = ROOT / "cli/launcher.py"
INSTEAD_OF_ROOT = "ORIONBOX_INSTEAD_OF_ROOT"
"""The variable of a command that root has started, has checked, and that goes on as another user."""
CODE = "cli compose docs infra samples services src .env.example *.*"
ADMINISTRATION = ":/usr/sbin:/sbin"
"""Where useradd is; `su` leaves these folders out of PATH."""
NAME = folders.ACCOUNT
ANOTHER_WAY = "run it as a normal user; or give the checkout to one: chown -R USER ."
ROOTS_OWN = ("MAIL", "XDG_*", "SSH_AUTH_SOCK")
"""Variables that lead to root's own files."""


def leave_root(settings: Settings) -> None:
    """Starts this command again as the platform's account, if this is root; returns otherwise.

    Raises:
        CommandError: there is no such account and none can be created, or it cannot reach this checkout.
    """
    if os.geteuid():
        return
    if Path(sys.argv[0]).resolve() != LAUNCHER:  # a test, which must not become another program
        raise CommandError("the embedded runtime does not run as root", ANOTHER_WAY)
    account = find_or_create(ROOT)
    if ROOT.stat().st_uid:
        give_files_to_owner()
    else:
        give_folders(settings, account)
    _start_again(account)


def find_or_create(root: Path) -> pwd.struct_passwd:
    """Returns the owner of a checkout, or the system account if that is root.

    PostgreSQL wants an account with a name, so a number without one, as in a container, gets one.
    """
    owner = root.stat().st_uid
    try:
        found = pwd.getpwuid(owner) if owner else pwd.getpwnam(NAME)
    except KeyError:
        found = _create(owner)
    if found.pw_uid == 0:
        raise CommandError(f"account {NAME} is root's, and the embedded runtime does not run as root", ANOTHER_WAY)
    return found


def _create(number: int) -> pwd.struct_passwd:
    """Creates the account, with that number unless it is 0."""
    name = f"{NAME}-{number}" if number else NAME
    useradd = shutil.which("useradd", path=inherited.for_tools()["PATH"] + ADMINISTRATION)
    options = ["--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"]
    options += ["--uid", str(number)] if number else []
    options += ["--gid", name] if any(group.gr_name == name for group in grp.getgrall()) else []
    printed = "there is no useradd"
    if useradd:
        done = subprocess.run([useradd, *options, name], env=inherited.for_tools(), capture_output=True, text=True)
        printed = last_lines(done.stderr)
    try:
        found = pwd.getpwnam(name)  # another command may have been faster
    except KeyError as error:
        text = f"the embedded runtime does not run as root, and its account {name} could not be created\n{printed}"
        raise CommandError(text, ANOTHER_WAY) from error
    print(f"created the system account {name}, which the platform runs as instead of root", file=sys.stderr, flush=True)
    return found


# --- the folders of a checkout that is root's ---


def give_folders(settings: Settings, account: pwd.struct_passwd, root: Path = ROOT) -> None:
    """Creates what the platform writes to, and gives it to the account; only there can it write."""
    folders.write_settings(settings, root)
    os.chown(root / ".env", -1, account.pw_gid)
    (root / ".env").chmod(0o640)
    owner = account.pw_uid, account.pw_gid
    own = root / virtual_environments.FOLDER.name
    own.mkdir(exist_ok=True)
    # Its owner may have been another account, before a move to this machine
    others = {0, own.stat().st_uid, *folders.left_by(checkout.COMPOSE, settings, root)}
    own.chmod(0o700)
    for name in WRITTEN:
        (root / name).mkdir(0o700 if name == "secrets" else 0o777, exist_ok=True)
        folders.hand_over(root / name, owner, others)
    folders.hand_over(own, owner, others=(), levels=LEVELS)
    if account.pw_name == NAME:
        virtual_environments.MACHINE.mkdir(mode=0o755, parents=True, exist_ok=True)
        os.chown(virtual_environments.MACHINE, *owner)


# --- the command, once more ---


def _start_again(account: pwd.struct_passwd) -> NoReturn:
    if not shutil.which("setpriv"):
        raise CommandError("the embedded runtime does not run as root, and there is no setpriv", "install util-linux")
    require_readable(account)
    other = virtual_environments.python_of_this_machine()
    prefixes = [sys.prefix, sys.base_prefix, *([str(Path(other).parent.parent)] if other else [])]
    shown = _shown([ROOT, *map(Path, prefixes)], account)
    command = [sys.executable, "-I", "-S", "-X", "utf8", str(LAUNCHER), *sys.argv[1:]]
    sys.stdout.flush()
    words = [*shown, *_as(account), *command]
    os.execvpe(words[0], words, environment(account, os.environ, [sys.executable, other]))


def require_readable(account: pwd.struct_passwd, file: Path = LAUNCHER) -> None:
    """Refuses a checkout whose code the account cannot read, as after a clone with umask 077.

    Raises:
        CommandError: this file is closed to it.
    """
    status = file.stat()
    if status.st_uid != account.pw_uid and not status.st_mode & stat.S_IROTH:
        text = f"account {account.pw_name}, which the embedded runtime runs as instead of root, cannot read {file}"
        raise CommandError(text, f"let it read the code: chmod -R go+rX {CODE}; or {ANOTHER_WAY}")


def _as(account: pwd.struct_passwd) -> list[str]:
    """Returns the command that gives up root's rights for good, and becomes what follows it."""
    user, group = f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}"
    return ["setpriv", user, group, "--init-groups", "--inh-caps=-all", "--no-new-privs", "--"]


def environment(account: pwd.struct_passwd, variables: Mapping[str, str], pythons: Iterable[str]) -> dict[str, str]:
    """Returns root's environment for the account: with its name and home, and with these Pythons on PATH."""
    kept = {name: value for name, value in variables.items() if not inherited.matches(name, ROOTS_OWN)}
    has_home = os.path.isdir(account.pw_dir) and os.stat(account.pw_dir).st_uid == account.pw_uid
    path = [kept.get("PATH", os.defpath), *(os.path.dirname(python) for python in pythons if python)]
    return {
        **kept,
        "PATH": os.pathsep.join(dict.fromkeys(os.pathsep.join(path).split(os.pathsep))),
        "HOME": account.pw_dir if has_home else str(virtual_environments.HOME),
        **dict.fromkeys(("USER", "LOGNAME"), account.pw_name),
        INSTEAD_OF_ROOT: "yes",
    }


# --- a checkout, or a Python, below a folder that is closed to others, such as /root ---


def _shown(needed: Iterable[Path], account: pwd.struct_passwd) -> list[str]:
    """Returns the command that shows the account what it needs, and nothing else, of folders that are closed to it.

    In a mount namespace of the command's own, each such folder is replaced by an empty one with the needed folders in
    it, at their places. The files of others in it stay as closed as they were.

    Raises:
        CommandError: a needed folder is closed itself, or this container may not mount anything.
    """
    closed = {path: top for path in dict.fromkeys(needed) if (top := _closed(path, account))}
    for path, top in closed.items():
        if path == top:
            text = f"account {account.pw_name}, which the embedded runtime runs as instead of root, cannot enter {path}"
            raise CommandError(text, f"let it: chmod a+rx '{path}'; or {ANOTHER_WAY}")
    if not closed:
        return []
    unshare = ["unshare", "--mount", "--propagation", "private"]
    if subprocess.run([*unshare, "true"], env=inherited.for_tools(), capture_output=True).returncode:
        path, top = next(iter(closed.items()))
        text = f"account {account.pw_name}, which the embedded runtime runs as instead of root, cannot enter {top}"
        move = (
            f"move {path} to a folder that every user may enter, such as /srv"
            if path == ROOT
            else "use another python3"
        )
        raise CommandError(text, f"{move}; or {ANOTHER_WAY}")
    stage = tempfile.mkdtemp(prefix="orionbox-", dir="/tmp")
    return [*unshare, "sh", "-c", SHOW, "sh", stage, *map(str, closed), "", *map(str, set(closed.values())), ""]


SHOW = """
set -eu
stage=$1
shift
mount -t tmpfs -o mode=0755,size=1m orionbox "$stage"
while [ "$1" ]; do
    mkdir -p "$stage$1"
    mount --rbind "$1" "$stage$1"
    shift
done
shift
while [ "$1" ]; do
    mount --rbind "$stage$1" "$1"
    shift
done
shift
umount --lazy "$stage"
rmdir "$stage"
exec "$@"
"""
"""Gets a folder to mount on; the needed folders and the closed ones, an empty word after each list; and a command."""


def _closed(path: Path, account: pwd.struct_passwd) -> Path | None:
    """Returns the topmost folder on the way that the account may not enter."""
    way = [*reversed(path.parents), path]
    test = ["sh", "-c", 'for folder; do [ -x "$folder" ] || echo "$folder"; done', "sh", *map(str, way)]
    done = subprocess.run([*_as(account), *test], env=inherited.for_tools(), capture_output=True, text=True)
    if done.returncode:
        raise CommandError(
            f"this root may not become account {account.pw_name}\n{last_lines(done.stderr)}", ANOTHER_WAY
        )
    return next((folder for folder in way if str(folder) in done.stdout.splitlines()), None)
