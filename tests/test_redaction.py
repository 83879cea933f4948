"""Secrets do not leave, whatever part of an address or spelling they come in."""

from __future__ import annotations

import base64
import json
import logging
import sys
import time
from urllib.parse import quote, urlsplit

import pytest

from ferflow.redaction import HIDDEN, Registry, hide, hide_all, hiding_streams, register

SECRET = "Xk3-p9Qz_7Tv"  # noqa: S105 (made for these tests)


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        (f"https://user:{SECRET}@host/path", [SECRET]),
        (f"https://{SECRET}@host/path", [SECRET]),
        (f"https://{SECRET}:@host", [SECRET]),
        (f"https://ghp_0123456789abcdef{SECRET}:x-oauth-basic@host", [f"ghp_0123456789abcdef{SECRET}"]),
        (f"postgresql://user:{SECRET}/{SECRET}x@host:5432/db", [f"{SECRET}/{SECRET}x", SECRET, f"{SECRET}x"]),
        (f"postgresql://user:{SECRET}#{SECRET}y@host/db", [f"{SECRET}#{SECRET}y", SECRET, f"{SECRET}y"]),
        (f"postgresql://user:{SECRET}?{SECRET}z@host/db", [f"{SECRET}?{SECRET}z", SECRET, f"{SECRET}z"]),
        (f"http://user:{SECRET}@{SECRET}w@host", [f"{SECRET}@{SECRET}w", SECRET, f"{SECRET}w@"]),
        (f"postgresql:///db?host=h&password={SECRET}&user=me", [SECRET]),
        (f"postgresql:///db?password={SECRET}#more", [f"{SECRET}#more", SECRET]),
        (f"https://host/a?access_token={SECRET}", [SECRET]),
        (f"https://host/a?X-Amz-Signature={SECRET}", [SECRET]),
        (f"https://user:{SECRET}@host:99999/", [SECRET]),
        (f"https://user:{SECRET}@host:port/", [SECRET]),
        (f"https://user:{quote(SECRET + '/%&', safe='')}@host", [f"{SECRET}/%&"]),
    ],
)
def test_the_secrets_of_an_address_are_replaced_wherever_they_stand(registry, url, secrets):
    registry.register_url(url)
    for secret in secrets:
        for text in (
            url,
            f"refused: {secret} is wrong",
            quote(secret, safe=""),
            json.dumps(secret),
            repr(secret),
        ):
            assert SECRET not in registry.replace(text)


@pytest.mark.parametrize(
    "password", ["a/bcd", "p#word", "p?word", "s3cr%2Ft", "sé3cret", "with space", 'q"uote']
)
def test_a_password_is_found_as_sqlalchemy_finds_it(registry, password):
    from sqlalchemy.engine import make_url

    url = f"postgresql://user:{password}@host/db"
    parsed = make_url(url).password
    assert isinstance(parsed, str)
    registry.register_url(url)
    assert registry.replace(f"rejected ({parsed})") == f"rejected ({HIDDEN})"
    assert registry.replace(url) == f"postgresql://user:{HIDDEN}@host/db"


@pytest.mark.parametrize("password", ["s3cr:et", "s3c@ret", "s3cr%20et", "s3cr=et"])
def test_a_password_is_found_as_urllib_finds_it(registry, password):
    url = f"https://user:{password}@host/path"
    parsed = urlsplit(url).password
    assert isinstance(parsed, str)
    registry.register_url(url)
    assert registry.replace(f"rejected ({parsed})") == f"rejected ({HIDDEN})"
    assert registry.replace(url) == f"https://{HIDDEN}@host/path"


def test_what_a_parser_takes_for_the_port_is_a_piece_of_the_password(registry):
    url = "postgresql://user:s3cr/et@host/db"
    registry.register_url(url)
    with pytest.raises(ValueError, match="s3cr") as raised:
        _ = urlsplit(url).port
    assert "s3cr" not in registry.replace(str(raised.value))


@pytest.mark.parametrize(
    "url",
    [
        "https://host:8080/path@x",
        "http://host:80/?mail=me@example",
        "sqlite:////home/me/a:path@x.db?timeout=60",
        "s3://bucket/path@x",
        "https://host/path",
    ],
)
def test_an_address_without_secrets_hides_nothing(registry, url):
    registry.register_url(url)
    assert registry.replace(f"{url} path 8080 home mail") == f"{url} path 8080 home mail"


def test_a_very_long_address_is_hidden_whole_and_soon(registry):
    password = "ab/c?d@e#f:" * 10_000
    begun = time.process_time()
    registry.register_url(f"https://user:{password}@host/", is_secret=True)
    assert registry.replace(f"no answer from {password}!") == f"no answer from {HIDDEN}!"
    assert time.process_time() - begun < 2


def test_the_path_of_a_webhook_is_secret(registry):
    registry.register_url("https://hooks.example/services/T012/B345/abcdefgh1234", is_secret=True)
    assert registry.replace("GET /services/T012/B345/abcdefgh1234 failed") == f"GET /{HIDDEN} failed"
    assert "abcdefgh1234" not in registry.replace("for abcdefgh1234")
    assert registry.replace("many services at hooks.example") == "many services at hooks.example"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:pw@host/db", f"postgresql://me:{HIDDEN}@host/db"),
        ("see https://me:pw@host/a or b@c", f"see https://{HIDDEN}@host/a or b@c"),
        ("https://host:80/a?b=c@d", "https://host:80/a?b=c@d"),
        ("https://host/a?token=abc&b=c", f"https://host/a?token={HIDDEN}&b=c"),
        ("password=abc host=h", "password=abc host=h"),
        (" host=h password=abc", f" host=h password={HIDDEN}"),
        ("Authorization: Bearer abc.def", f"Authorization: {HIDDEN}"),
        ("{'Authorization': 'Basic YWJj'}", f"{{'Authorization': '{HIDDEN}'}}"),
        ("mail me@host about token counts", "mail me@host about token counts"),
    ],
)
def test_what_nobody_registered_is_taken_out_by_its_place(registry, text, shown):
    assert registry.replace(text) == shown


@pytest.mark.parametrize(
    ("name", "value", "is_secret"),
    [
        ("PGPASSWORD", "", False),
        ("MLFLOW_TRACKING_PASSWORD", SECRET, True),
        ("AWS_SECRET_ACCESS_KEY", SECRET, True),
        ("KFP_TOKEN", SECRET, True),
        ("TOKENIZERS_PARALLELISM", "false-value", False),
        ("USE_TOKEN", "always", False),
        ("TOKEN_LENGTH", "128", False),
        ("TOKEN_FILE", "secret-file", False),
        ("PWD", "/somewhere/else", False),
        ("MLFLOW_TRACKING_URI", f"https://u:{SECRET}@host", True),
        ("SOME_PROXY", f"http://u:{SECRET}@proxy:80", True),
    ],
)
def test_secrets_of_the_environment_are_known_by_their_names(registry, monkeypatch, name, value, is_secret):
    monkeypatch.setenv(name, value)
    registry.register_environment()
    found = registry.replace(f"<{value}> <{SECRET}>")
    assert (SECRET not in found) is is_secret
    if not is_secret:
        assert value in found


def test_a_short_secret_does_not_tear_words_apart(registry):
    registry.register("data")
    assert registry.replace("database data: metadata") == f"database {HIDDEN}: metadata"
    registry.register("abc")
    assert registry.replace("abc") == "abc"


def test_what_is_sent_as_a_header_is_hidden_too(registry):
    registry.register_url(f"https://user:{SECRET}@host")
    header = base64.b64encode(f"user:{SECRET}".encode()).decode()
    assert registry.replace(f"x={header}") == f"x={HIDDEN}"


def test_hide_all_reaches_every_text():
    register(SECRET)
    content = {"a": [f"x {SECRET}", 1, None], SECRET: {"b": SECRET}}
    assert hide_all(content) == {"a": [f"x {HIDDEN}", 1, None], HIDDEN: {"b": HIDDEN}}


def test_streams_show_no_secrets_not_in_logs_either(capsys, monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", SECRET)
    with hiding_streams(["--storage=postgresql://u:Other-Secret9@h/d", "https://u:Third-Secret9@h"]):
        sys.stdout.write(f"out {SECRET} Other-Secret9 Third-Secret9\n")
        handler = logging.StreamHandler()
        logger = logging.getLogger("test_redaction")
        logger.addHandler(handler)
        try:
            try:
                raise ValueError(SECRET)
            except ValueError:
                logger.exception("no: %s", SECRET)
        finally:
            logger.removeHandler(handler)
        assert sys.stdout.isatty() is False
    captured = capsys.readouterr()
    assert captured.out == "out *** *** ***\n"
    assert "ValueError: ***" in captured.err
    assert SECRET not in captured.err


def test_hide_knows_a_variable_that_was_set_a_moment_ago(monkeypatch):
    monkeypatch.setenv("LATE_PASSWORD", "very-late-one")
    assert hide("so very-late-one") == f"so {HIDDEN}"
