"""Secrets are taken out of every text that leaves: messages, logs, tracebacks, journals, tags, YAML.

They are known by value. One registry holds each secret that came in: by the environment (read here), by
an address (`register_url`), or by a file (`register`). `hide` replaces them wherever a text leaves, in
the spellings that libraries give them. What only looks like a secret, such as the password of an address
that nobody registered, is taken out by its place, too.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast
from urllib.parse import quote, quote_plus, unquote, unquote_plus

HIDDEN = "***"

# By value only what is long enough not to be a part of other words by chance.
_MIN_CHARACTERS = 4
# A shorter one is taken out where it is a word by itself; a longer one inside of words, too.
_MIN_INSIDE_WORDS = 8
# A longer secret is found by its beginning: an expression of so many characters takes long to compile.
_LONG = 64
# Of a number; shorter ones are ports, sizes and counts.
_MIN_DIGITS = 6
# Of a secret: places at which a parser may end it.
_MAX_PIECES = 8

# Of the names of variables, which are parted at `_`.
_SECRET_WORD = re.compile(
    "PASSWORD|PASSWD|PASSPHRASE|PASS|PWD|SECRETS?|TOKEN|KEY|APIKEY|CREDENTIALS?|WEBHOOK|AUTHORIZATION|COOKIE"
    "|SIGNATURE|SIG|PAT"
)
_WORD_OF_PLACES = re.compile("FILE|PATH|DIR|DIRECTORY|SOCK")
_WORKING_FOLDERS = frozenset({"PWD", "OLDPWD"})
_SWITCH = re.compile("true|false|yes|no|on|off|none|null|auto|always|never", re.IGNORECASE)

# As `sqlalchemy.engine.make_url` and `urllib.parse.urlsplit` part an address, and a third, greedy way: the
# first ends a password at the first `@`, the second a place at the first of `/?#`.
_USER_INFO = (
    re.compile(r"[\w+.-]+://(?P<user>[^:/]*)(?::(?P<password>[^@]*))?@"),
    re.compile(r"[\w+.-]+://(?P<user>[^/?#:@]*)(?::(?P<password>[^/?#]*))?@"),
    re.compile(r"[\w+.-]+://(?P<user>[^:/@]*)(?::(?P<password>.*))?@"),
)
_PORT = re.compile(r"\d{1,5}[/?#]")
_WORDS = "passw(?:or)?d|passphrase|pwd|token|secret|api_?key|access_?key|credential|signature|sig"
_KEY = rf"[\w.-]*(?:{_WORDS})[\w-]*"
_OPTION = re.compile(rf"(?P<key>[?&;#\s]{_KEY}=)(?P<value>[^&\s'\"<>]+)", re.IGNORECASE)
_RAW_OPTION = re.compile(rf"[?&;]{_KEY}=(?P<value>[^&]*)", re.IGNORECASE)
_HEADER = re.compile(
    r"(?P<key>\b(?:authorization|cookie)['\"]?\s*[:=]\s*['\"]?)(?:(?:basic|bearer)\s+)?[^\s'\",]+", re.I
)
_SCHEME = r"(?P<scheme>[A-Za-z][\w+.-]*://)"
_IN_HTTP = re.compile(rf"{_SCHEME}(?P<info>[^\s/?#'\"<>]+)@")
_IN_DATABASE = re.compile(r"(?P<scheme>\b(?!https?:)[A-Za-z][\w+.-]*://)(?P<user>[^\s:/@'\"]*):[^\s@'\"]*@")


class Registry:
    """What must not leave, and the one expression that finds it."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._long: list[str] = []
        self._pattern: re.Pattern[str] | None = None
        self._environment: dict[str, str] = {}

    def register(self, secret: str) -> None:
        """Have a secret replaced from now on, however it is spelt; one of under 4 characters cannot be."""
        for spelling in _spellings(secret.strip()):
            if len(spelling) >= _MIN_CHARACTERS and spelling not in self._secrets:
                self._secrets.add(spelling)
                self._pattern = None

    def register_url(self, url: str, *, is_secret: bool = False) -> None:
        """Have the secrets of an address replaced from now on.

        Args:
            url: The URL of a server, a database or a webhook; what is none is passed over.
            is_secret: Whether its path and options are secret as well, as those of a webhook are.
        """
        if "://" not in url:
            return
        scheme = url.split(":", 1)[0].lower()
        is_web = scheme in ("http", "https")
        for pattern in _USER_INFO:
            found = pattern.match(url)
            # What is read as a password may be a port and the path behind it.
            if found and not (is_web and _PORT.match(found["password"] or "")):
                self._register_user(found["user"], found["password"], is_web=is_web)
        for found in _RAW_OPTION.finditer(url):
            self._register_parts(found["value"])
        if is_secret:
            path = url.split("://", 1)[1].partition("/")[2]
            self.register(path)
            self.register(path.partition("?")[0])
            for part in re.split(r"[/?&=#]", path):
                if len(part) >= _MIN_INSIDE_WORDS and not part.isalpha():
                    self.register(part)

    def register_environment(self) -> None:
        """Register what the environment holds: variables named like secrets, and addresses."""
        now = dict(os.environ)
        if now == self._environment:
            return
        for name, value in now.items() - self._environment.items():
            words = set(re.split(r"[^A-Z0-9]+", name.upper()))
            if "://" in value:
                for address in value.split():
                    self.register_url(address, is_secret="WEBHOOK" in words)
            elif _is_named_secret(name, words) and _may_be_secret(value):
                self.register(value)
        self._environment = now

    def replace(self, text: str) -> str:
        """`text` without the registered secrets, and without what is in the places of secrets."""
        if self._secrets and self._pattern is None:
            self._long = [secret for secret in self._secrets if len(secret) > _LONG]
            beginnings = {secret[:_LONG] for secret in self._secrets}
            self._pattern = re.compile("|".join(map(_expression, sorted(beginnings, key=len, reverse=True))))
        if self._pattern is not None:
            text = self._without_known(text, self._pattern)
        if "://" in text:
            text = _IN_DATABASE.sub(_without_password, text)
            text = _IN_HTTP.sub(_without_user, text)
        if "=" in text:
            text = _OPTION.sub(rf"\g<key>{HIDDEN}", text)
        return _HEADER.sub(rf"\g<key>{HIDDEN}", text)

    def _without_known(self, text: str, pattern: re.Pattern[str]) -> str:
        parts, start = [], 0
        while found := pattern.search(text, start):
            parts += [text[start : found.start()], HIDDEN]
            long = (len(secret) for secret in self._long if text.startswith(secret, found.start()))
            start = max(found.end(), found.start() + max(long, default=0))
        return "".join(parts) + text[start:]

    def _register_user(self, user: str, password: str | None, *, is_web: bool) -> None:
        """A token may be given as the user's name: alone before a server, or where it looks like one."""
        looks_like_token = len(user) >= 16 and not user.isalpha()
        if user and ((is_web and not password) or looks_like_token):
            self._register_parts(user)
        if password:
            self._register_parts(password)
            for name in {user, unquote(user)}:
                for word in {password, unquote(password)}:
                    self.register(base64.b64encode(f"{name}:{word}".encode()).decode())

    def _register_parts(self, secret: str) -> None:
        """A secret, and the pieces that a parser which ends it too early shows in its message."""
        self.register(secret)
        ends = [found.start() for found in re.finditer(r"[/?#@:]", secret)][:_MAX_PIECES]
        for start in (-1, *ends):
            for end in (*(place for place in ends if place > start), len(secret)) if ends else ():
                piece = secret[start + 1 : end]
                if not (piece.isdecimal() and len(piece) < _MIN_DIGITS):
                    self.register(piece if len(piece) >= _MIN_CHARACTERS else f"{piece}@")


_REGISTRY = Registry()


def register(secret: str) -> None:
    """Have a secret, such as a token that was read from a file, replaced from now on."""
    _REGISTRY.register(secret)


def register_url(url: str, *, is_secret: bool = False) -> None:
    """Have the secrets of an address replaced from now on; see `Registry.register_url`."""
    _REGISTRY.register_url(url, is_secret=is_secret)


def hide(text: str) -> str:
    """`text` as it may leave: secrets are replaced by `***`."""
    _REGISTRY.register_environment()
    return _REGISTRY.replace(text)


def hide_all(content: Any) -> Any:
    """What JSON or YAML is made of, with `hide` on every text in it, keys too."""
    if isinstance(content, str):
        return hide(content)
    if isinstance(content, dict):
        return {hide_all(key): hide_all(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [hide_all(value) for value in content]
    return content


@contextmanager
def hiding_streams(arguments: Iterable[str] = ()) -> Iterator[None]:
    """Inside the block stdout and stderr of this process show no secrets; libraries' logs included.

    Args:
        arguments: The arguments of the command line; addresses among them are registered.
    """
    for argument in arguments:
        for address in argument.split("=", 1) if argument.startswith("-") else [argument]:
            register_url(address)
    _REGISTRY.register_environment()
    former = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast("TextIO", _Hiding(stream)) for stream in former)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = former


class _Hiding:
    """A stream of text that takes secrets out of what is written to it; all else is the stream's."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(_REGISTRY.replace(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _is_named_secret(name: str, words: set[str]) -> bool:
    if name in _WORKING_FOLDERS or any(_WORD_OF_PLACES.fullmatch(word) for word in words):
        return False
    return any(_SECRET_WORD.fullmatch(word) for word in words)


def _may_be_secret(value: str) -> bool:
    """Whether a variable's value is more than a switch, a small number or the place of a file."""
    text = value.strip()
    is_small = text.isdecimal() and len(text) < _MIN_DIGITS
    return not (_SWITCH.fullmatch(text) or is_small or _is_path(text))


def _is_path(text: str) -> bool:
    return text.startswith(("/", "./", "~")) and os.path.lexists(os.path.expanduser(text))  # noqa: PTH111


def _spellings(secret: str) -> set[str]:
    """A secret as it was given, and as addresses, JSON, HTML and Python write it."""
    plain = {secret, unquote(secret), unquote_plus(secret)}
    written = {
        spelling
        for text in plain
        for spelling in (
            quote(text, safe=""),
            quote(text),
            quote_plus(text),
            json.dumps(text)[1:-1],
            json.dumps(text, ensure_ascii=False)[1:-1],
            html.escape(text),
            repr(text)[1:-1],
        )
    }
    return plain | written


def _expression(secret: str) -> str:
    expression = re.escape(secret)
    if len(secret) >= _MIN_INSIDE_WORDS:
        return expression
    return rf"(?<![0-9A-Za-z]){expression}(?![0-9A-Za-z])"


def _without_password(found: re.Match[str]) -> str:
    return f"{found['scheme']}{found['user']}:{HIDDEN}@"


def _without_user(found: re.Match[str]) -> str:
    """Of a database's address the user may be shown, of a server's not: it may be a token."""
    user, colon, _ = found["info"].partition(":")
    if found["scheme"].lower() in ("http://", "https://"):
        return f"{found['scheme']}{HIDDEN}@"
    return f"{found['scheme']}{user}{f':{HIDDEN}' if colon else ''}@"
