"""What hangs together in config.yaml?  Proofs, names, addresses, file systems; called by load.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

from zennotify.config.model import Config, ServerConfig, Verify
from zennotify.config.secrets import Place
from zennotify.config.values import GOOD_PROOF
from zennotify.spelling import did_you_mean

Said = tuple[Place, str]

#: The kernel's list of mounts; a test has one of its own.
MOUNTS = Path("/proc/mounts")
_NETWORK_FILE_SYSTEMS: Final = frozenset(
    (
        "9p",
        "afs",
        "ceph",
        "cifs",
        "glusterfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "smb",
        "smb2",
        "smb3",
    )
)
_NETWORK_FUSE: Final = frozenset(("fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs"))


@dataclass(frozen=True, slots=True)
class Found:
    """What the checks say."""

    errors: tuple[Said, ...]
    warnings: tuple[Said, ...]


def check(config: Config | None, defaults: Config, written: Mapping[str, Any], wrong: Set[Place]) -> Found:
    """Check a Config against itself.

    `written` are the values before secrets were put in.  What is in `wrong` could not be read: nothing is
    concluded from its absence.
    """
    errors = [*_names(written), *_aliases(written)]
    warnings: list[Said] = []
    if config is not None:
        errors += [*_proofs(config.server, wrong), *_addresses(config, wrong), *_store(config)]
        warnings = [
            *_short_proofs(config.server),
            *_admin(config),
            *_password(config, written),
            *_centers(config, defaults),
            *_lonely_ops(config, wrong),
        ]
    return Found(tuple(errors), tuple(warnings))


def _proofs(server: ServerConfig, wrong: Set[Place]) -> Iterator[Said]:
    unknown = {place[1] if len(place) > 1 else "listen" for place in wrong if place[0] == "server"}
    if server.verify is Verify.ENFORCE and not server.secrets and not unknown & {"secrets", "listen"}:
        yield ("server", "verify"), "`enforce` needs `secrets`: without one no signature can be checked"
    if server.listen.is_local or server.has_proof or unknown & {"listen", "token", "allow_from", "secrets"}:
        return
    if server.secrets and "verify" in unknown:  # it may be meant to be `enforce`
        return
    ways = "set `token` or `allow_from`, or `secrets` with `verify: enforce`"
    only = "; with `verify: record` a wrong signature is only counted" if server.secrets else ""
    sentence = f"other machines reach {server.listen}, but nobody has to prove who they are: {ways}{only}"
    yield ("server", "listen"), sentence


def _short_proofs(server: ServerConfig) -> Iterator[Said]:
    proofs: list[tuple[Place, SecretStr | None]] = [(("server", "token"), server.token)]
    proofs += [(("server", "secrets", index), secret) for index, secret in enumerate(server.secrets)]
    for place, secret in proofs:
        # An empty one could not be read, and is reported as such.
        if secret is not None and 0 < len(secret.get_secret_value().encode()) < GOOD_PROOF:
            yield place, f"this secret is short: {GOOD_PROOF} bytes or more cannot be guessed"


def _addresses(config: Config, wrong: Set[Place]) -> Iterator[Said]:
    used = {("server", "listen"): config.server.listen}
    for name in ("listen", "control"):
        place = ("admin", name)
        address = getattr(config.admin, name)
        if name == "control" and address.path is None:
            yield place, "a unix socket is expected, e.g. unix:zennotify.sock"
            continue
        taken = next((other for other, its in used.items() if its.overlaps(address)), None)
        if taken is not None and not {place, taken} & wrong:
            yield place, f"{address} is already used by {'.'.join(taken)}"
        used[place] = address


def _admin(config: Config) -> Iterator[Said]:
    if not config.admin.listen.is_local:
        yield (
            ("admin", "listen"),
            f"other machines reach {config.admin.listen}: health and metrics have no password",
        )


def _store(config: Config) -> Iterator[Said]:
    file = config.store.file
    kind = _file_system(file) if file is not None else ""
    if kind in _NETWORK_FILE_SYSTEMS | _NETWORK_FUSE:
        yield ("store", "url"), f"the store is on a network file system ({kind}); SQLite needs a local disk"


def _file_system(file: Path) -> str:
    """Return the kind of file system that a file is, or would be, on."""
    try:
        mounts = [line.split(" ")[1:3] for line in MOUNTS.read_text("utf-8", "replace").splitlines()]
        folder = file.parent.resolve()
    except OSError:  # not Linux: nothing is known
        return ""
    # The longest mount point above the file counts, and of equal ones the last.
    above = [(len(point), kind) for point, kind in mounts if folder.is_relative_to(_unescaped(point))]
    return max(above, key=lambda pair: pair[0], default=(0, ""))[1] if above else ""


def _unescaped(point: str) -> str:
    return point.replace(r"\040", " ").replace(r"\011", "\t").replace(r"\012", "\n").replace(r"\134", "\\")


def _password(config: Config, written: Mapping[str, Any]) -> Iterator[Said]:
    store = written.get("store")
    url = store.get("url") if isinstance(store, dict) else None
    if config.store.file is not None or not isinstance(url, str) or "${" in url:
        return
    parts = urlsplit(config.store.url)
    if parts.password or "password" in parse_qs(parts.query):
        yield (
            ("store", "url"),
            "a password stands in this file; use ${env:NAME}, ${file:/path} or ${cred:NAME} for it",
        )


def _centers(config: Config, defaults: Config) -> Iterator[Said]:
    # By its usual name the file may be left out; whoever gives another one means a file that is there.
    try:
        missing = config.centers != defaults.centers and not config.centers.exists()
    except OSError:  # who reads it says why
        return
    if missing:
        yield ("centers",), "there is no such file: no centre is known by name"


def _lonely_ops(config: Config, wrong: Set[Place]) -> Iterator[Said]:
    """Yield that the only channel of `ops` has nobody to tell that it fails; a console does not fail."""
    name = config.ops[0] if len(set(config.ops)) == 1 else ""
    channel = config.channels.get(name)
    if channel is None or channel.fallback is not None or ("channels", name, "fallback") in wrong:
        return
    if not channel.url.get_secret_value().startswith("console://"):
        yield (
            ("ops",),
            f"nobody hears when `{name}` itself fails: name a second channel in `ops`, or give `{name}` a `fallback`",
        )


def _names(written: Mapping[str, Any]) -> Iterator[Said]:
    channels = written.get("channels", {})
    if not isinstance(channels, dict):
        return
    ops = written.get("ops", [])
    for index, name in enumerate(ops if isinstance(ops, list) else [ops]):
        if isinstance(name, str) and "${" not in name and name not in channels:
            yield ("ops", index), f"there is no channel `{name[:60]}`{did_you_mean(name, channels)}"
    ways = {name: way for name, channel in channels.items() if (way := _fallback(name, channel)) is not None}
    for place, other in ways.values():
        if other not in channels:
            yield place, f"there is no channel `{other[:60]}`{did_you_mean(other, channels)}"
        elif _is_for_guests(channels[other]):
            yield place, f"the recipient of `{other}` comes from the event, so that it can be no fallback"
    yield from _loops(ways)


def _aliases(written: Mapping[str, Any]) -> Iterator[Said]:
    aliases = written.get("event_aliases")
    first: dict[str, str] = {}
    for alias in aliases if isinstance(aliases, dict) else ():
        other = first.setdefault(alias.casefold(), alias)
        if other is not alias:
            yield (
                ("event_aliases", alias),
                f"this is `{other[:60]}` again: upper and lower case are the same here",
            )


def _fallback(name: str, channel: object) -> Said | None:
    """Return the channel that another one falls back to as it is written, and where."""
    place: Place = ("channels", name, "fallback")
    fallback = channel.get("fallback") if isinstance(channel, dict) else None
    if isinstance(fallback, dict):
        place, fallback = (*place, "channel"), fallback.get("channel")
    if not isinstance(fallback, str) or not fallback.strip() or "${" in fallback:
        return None
    return place, fallback


def _is_for_guests(channel: object) -> bool:
    to = channel.get("to") if isinstance(channel, dict) else None
    return isinstance(to, str) and "{{" in to


def _loops(ways: Mapping[str, Said]) -> Iterator[Said]:
    done: set[str] = set()
    for start in ways:
        trail: list[str] = []
        name = start
        while name in ways and name not in done and name not in trail:
            trail.append(name)
            _, name = ways[name]
        if name in trail:
            circle = [*trail[trail.index(name) :], name]
            yield ways[circle[-2]][0], f"the fallbacks go in a circle: {' -> '.join(circle)}"
        done.update(trail)
