"""Signs of what is wrong with a store: in the texts of libraries, and as the status of an answer."""

from __future__ import annotations

from typing import NamedTuple

from ferflow.tracking.address import VARIABLE


class Finding(NamedTuple):
    """What was found, and what to do."""

    found: str
    cure: str


ANY = f"see that the store runs, has space and is the one that {VARIABLE} should name"
ADDRESS = f"see that {VARIABLE} names the address of an MLflow server"
SERVER_FAILS = Finding(
    "the server fails (its disk may be full; its log says why)",
    "read its log, correct that and run the same command again",
)
WEB_PAGE = Finding(
    "a web page came where MLflow's answer should be: a login page, or another program",
    f"see that {VARIABLE} names the address of an MLflow server behind the login, and sign in by "
    "MLFLOW_TRACKING_TOKEN as its owner says",
)
NO_MLFLOW = Finding(
    "its answer is none of MLflow's",
    f"see that {VARIABLE} names the address of an MLflow server of a version like the one installed here",
)

# Status of an answer to what it means.
STATUS = {
    404: Finding(
        "nothing of MLflow is at that address (404)",
        f"see that {VARIABLE} names the address of an MLflow server, with the path of its pages",
    ),
    405: Finding(
        "another program answers there (405)",
        f"see that {VARIABLE} names the address of an MLflow server",
    ),
    407: Finding(
        "a proxy on the way asks who you are (407)",
        "put user and password into HTTPS_PROXY, or name the host in NO_PROXY",
    ),
    408: Finding(
        "no answer in time (408)",
        f"see that the store runs, has space and is the one that {VARIABLE} should name",
    ),
    413: Finding(
        "a file is larger than the server, or a proxy before it, takes (413)",
        "raise its limit on request bodies (nginx: client_max_body_size) and run 'ferflow track sync'",
    ),
    429: Finding(
        "it asks for fewer requests (429)",
        "wait a while and run the same command again",
    ),
    507: Finding(
        "its disk is full (507)",
        "free some space there and run the same command again",
    ),
}

# Patterns in a library's text to what they mean; the first that fits counts.
SIGNS: tuple[tuple[str, Finding], ...] = (
    (
        r"WRONG_VERSION_NUMBER|wrong version number|record layer failure|UNKNOWN_PROTOCOL|"
        r"HTTP_REQUEST\]",
        Finding(
            "it speaks no TLS (https) there",
            f"write http:// in {VARIABLE}",
        ),
    ),
    (
        r"HTTP request to an HTTPS server|plain HTTP request was sent to HTTPS",
        Finding(
            "it speaks TLS (https) there",
            f"write https:// in {VARIABLE}",
        ),
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|doesn't match|IP address mismatch",
        Finding(
            "its certificate is not trusted",
            "name the authority's file in MLFLOW_TRACKING_SERVER_CERT_PATH, or use the name "
            "that the certificate is for",
        ),
    ),
    (
        r"UNEXPECTED_EOF|EOF occurred in violation|TLSV1_ALERT|HANDSHAKE_FAILURE",
        Finding(
            "TLS could not be agreed on",
            f"see that {VARIABLE} begins with the scheme that the server speaks (http or https)",
        ),
    ),
    (
        r"Unable to connect to proxy|ProxyError|Tunnel connection failed",
        Finding(
            "the proxy on the way does not let the request through",
            "correct HTTP_PROXY or HTTPS_PROXY, or name the host in NO_PROXY",
        ),
    ),
    (
        r"Exceeded \d+ redirects|TooManyRedirects",
        Finding(
            "it sends in a circle",
            f"see that {VARIABLE} names the address of an MLflow server itself, not one that redirects to it",
        ),
    ),
    (
        r"Connection refused",
        Finding(
            "nothing answers there (connection refused)",
            f"start the server, or correct host and port in {VARIABLE}",
        ),
    ),
    (
        r"Name or service not known|nodename nor servname|getaddrinfo failed|"
        r"could not translate host name|No address associated|label empty or too long",
        Finding(
            "there is no such host",
            f"correct the host in {VARIABLE}",
        ),
    ),
    (
        r"Temporary failure in name resolution",
        Finding(
            "there is no such host, or no network",
            f"see that there is a network, and correct the host in {VARIABLE}",
        ),
    ),
    (
        r"Network is unreachable|No route to host|Host is down",
        Finding(
            "no way leads to that host",
            f"see that there is a network or VPN to it, and that {VARIABLE} names the right host",
        ),
    ),
    (
        r"[Tt]imed out|[Tt]imeout|timeout expired",
        Finding(
            "no answer in time",
            "see that the server runs and is not overloaded; MLFLOW_HTTP_REQUEST_TIMEOUT sets the seconds",
        ),
    ),
    (
        r"Remote end closed|Connection reset|Connection aborted|IncompleteRead|BadStatusLine|"
        r"server closed the connection|InvalidHeader|Broken pipe|LineTooLong|"
        r"Received response with content-encoding",
        Finding(
            "the server closed the connection, or speaks no HTTP",
            f"see that it runs, and that scheme and port in {VARIABLE} are those of an MLflow server",
        ),
    ),
    (
        r"error responses|Internal Server Error",
        SERVER_FAILS,
    ),
    (
        r"not in a valid JSON format|Expecting value|JSONDecodeError|Extra data|ParseError|"
        r"Failed to parse",
        NO_MLFLOW,
    ),
    (
        r"password authentication failed|Access denied for user|no password supplied",
        Finding(
            "the database refuses user or password",
            f"correct them in {VARIABLE}; /, @ and # in a password are written %2F, %40 and %23",
        ),
    ),
    (
        r"no pg_hba.conf entry|permission denied for|Access denied",
        Finding(
            "the database refuses this user or machine",
            "have its owner allow it",
        ),
    ),
    (
        r'database "[^"]*" does not exist|Unknown database',
        Finding(
            "there is no such database",
            f"create it, or correct its name in {VARIABLE}",
        ),
    ),
    (
        r"too many (clients|connections)|remaining connection slots",
        Finding(
            "the database has no connection left",
            "wait a while and run the same command again",
        ),
    ),
    (
        r"No module named|Can't load plugin",
        Finding(
            "the driver of that database is not installed",
            "install it (PostgreSQL: ferflow[tracking]; MySQL: mysqlclient), or use another store",
        ),
    ),
    (
        r"No space left on device|database or disk is full|Disk quota exceeded",
        Finding(
            "its disk is full",
            "free some space there and run the same command again",
        ),
    ),
    (
        r"database is locked",
        Finding(
            "another process keeps the database busy",
            "wait until it ends, or end it, and run the same command again",
        ),
    ),
    (
        r"readonly database|Permission denied|Read-only file system",
        Finding(
            "it cannot be written by this user",
            "give this user the right to write there, or name another store",
        ),
    ),
    (
        r"unable to open database file|No such file or directory",
        Finding(
            "its file or folder cannot be opened",
            "see that the folder is there and can be written by this user",
        ),
    ),
    (
        r"file is not a database|malformed|disk I/O error",
        Finding(
            "the file is damaged, or no database",
            "put a copy of it back, or move it away: 'ferflow track sync' sends the runs that "
            "are written here to a new one",
        ),
    ),
    (
        r"out-of-date database schema|Can't locate revision|Detected out-of-date",
        Finding(
            "its tables are of another version of MLflow",
            "install that version, or bring the tables up to date (mlflow db upgrade)",
        ),
    ),
    (
        r"Unable to locate credentials|NoCredentials|could not find default credentials|"
        r"DefaultCredentialsError",
        Finding(
            "the store of its artifacts asks who you are",
            "set the credentials of that object store in the environment",
        ),
    ),
    (
        r"NoSuchBucket|bucket does not exist",
        Finding(
            "the bucket of its artifacts is not there",
            "have the server's owner create it",
        ),
    ),
    (
        r"Invalid url|InvalidURL|Failed to parse: |InvalidSchema|No connection adapters",
        Finding(
            "the address cannot be used",
            f"expected http://HOST:PORT: correct {VARIABLE}",
        ),
    ),
    (
        r"cannot configure default credentials|databricks",
        Finding(
            "Databricks is not set up here",
            f"set DATABRICKS_HOST and DATABRICKS_TOKEN, or name another store in {VARIABLE}",
        ),
    ),
)
