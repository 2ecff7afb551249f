"""What no document can say: files that are there, tokens that are good, headers that go together.

Of the requests that are as the document wants them, every second one is made to mean something: the
others, and all that are wrong on purpose, stay as schemathesis made them.
"""

import os
import subprocess
import tempfile
import time
from collections import Counter
from functools import cache

import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode

GATEWAY = os.environ["GATEWAY"]
TUS = {"Tus-Resumable": "1.0.0"}

member = requests.Session()
member.trust_env = False
member.headers["Authorization"] = f"Bearer {os.environ['JWT']}"

turns = Counter()
keys = set()

schemathesis.openapi.media_type("application/offset+octet-stream", st.binary(max_size=1024))


@schemathesis.hook
def filter_case(context, case):
    # An unknown header is no mistake, but beside one with a number it is taken for one (4.32).
    if "x-schemathesis-unknown-property" in case.headers:
        return False
    if case.operation.label == "POST /v1/files" and isinstance(case.body, dict):
        # The names of a form's fields are in headers, where control characters can't be; and whatever its parts
        # hold is a file's bytes.
        files = case.body.get("files", [])
        are_files = isinstance(files, list) and all(isinstance(file, (bytes, str)) for file in files)
        return are_files and all(name.isprintable() for name in case.body)
    return True


@schemathesis.hook
def before_call(context, case, kwargs):
    meta = case.meta
    if meta is None or meta.generation.mode != GenerationMode.POSITIVE:
        return
    label = case.operation.label
    if label in TOGETHER:
        TOGETHER[label](case)
    # What goes from one request to the next is schemathesis's own in its chains of them.
    if meta.phase.name.value == "stateful":
        return
    turns[label] += 1
    if turns[label] % 2 and label in REAL:
        REAL[label](case)


def a_file():
    answer = member.post(f"{GATEWAY}/v1/files", files={"files": ("a.txt", b"0123456789", "text/plain")})
    answer.raise_for_status()
    return answer.json()["files"][0]


def upload(content, name="film.mp4"):
    answer = member.post(f"{GATEWAY}/v1/files", files={"files": (name, content, "video/mp4")})
    answer.raise_for_status()
    return answer.json()["files"][0]["id"]


def until(file_id, status):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        answer = member.get(f"{GATEWAY}/v1/files/{file_id}/metadata")
        answer.raise_for_status()
        if answer.json()["status"] == status:
            return file_id
        time.sleep(0.1)
    raise TimeoutError(f"the file does not become {status}")


@cache
def a_film():
    """A video of a second with everything that is made of one."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/film.mp4"
        source = ["-f", "lavfi", "-i", "testsrc=size=160x120:duration=1"]
        command = ["ffmpeg", "-v", "error", *source, "-c:v", "libx264", "-pix_fmt", "yuv420p", path]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        with open(path, "rb") as film:
            return until(upload(film.read()), "ready")


@cache
def no_film():
    return upload(b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(100))


def a_token():
    answer = member.get(f"{GATEWAY}/v1/files/token")
    answer.raise_for_status()
    return answer.json()["token"]


def an_upload(length):
    answer = member.post(f"{GATEWAY}/v1/uploads", headers=TUS | {"Upload-Length": str(length)})
    answer.raise_for_status()
    return answer.headers["Location"].rsplit("/", 1)[-1]


def by_id(case):
    case.path_parameters["file_id"] = a_file()["id"]


def by_id_and_token(case):
    by_id(case)
    case.query["token"] = a_token()


def of_film(**parameters):
    def change(case):
        case.path_parameters |= {"file_id": a_film()} | parameters
        case.query["token"] = a_token()

    return change


def of_failed(case):
    case.path_parameters["file_id"] = until(no_film(), "failed")


def by_location_and_token(case):
    case.query["location"] = a_file()["location"]
    case.query["token"] = a_token()


def by_location(case):
    case.body["location"] = a_file()["location"]


def for_file(case):
    if "file_id" in case.query:
        case.query["file_id"] = a_file()["id"]


def of_upload(case):
    case.path_parameters["upload_id"] = an_upload(1)


def to_upload(case):
    body = case.body if isinstance(case.body, bytes) else b""
    case.path_parameters["upload_id"] = an_upload(len(body))
    case.headers["Upload-Offset"] = "0"
    case.headers.pop("Upload-Length", None)
    case.headers.pop("Upload-Checksum", None)


def length_or_defer_length(case):
    """One of two headers has to be there (tus, Creation), which OpenAPI can't say."""
    if "Upload-Length" in case.headers:
        case.headers.pop("Upload-Defer-Length", None)
    else:
        case.headers["Upload-Defer-Length"] = "1"


def subject_or_file(case):
    if "subject" in case.query:
        case.query.pop("file_id", None)


def new_key(case):
    """A key is good for one request, and what the next one sends differs."""
    key = case.headers.get("idempotency-key", "").strip('"')
    if key in keys:
        case.headers.pop("idempotency-key")
    elif key:
        keys.add(key)


TOGETHER = {
    "POST /v1/files": new_key,
    "POST /v1/uploads": length_or_defer_length,
    "DELETE /v1/files/token": subject_or_file,
}

REAL = {
    "GET /v1/files/{file_id}": by_id,
    "HEAD /v1/files/{file_id}": by_id,
    "DELETE /v1/files/{file_id}": by_id,
    "GET /v1/files/{file_id}/metadata": by_id,
    "POST /v1/files/{file_id}/retry": of_failed,
    "GET /v1/files/{file_id}/events": of_film(),
    "GET /v1/files/{file_id}/poster": of_film(),
    "GET /v1/files/{file_id}/thumbnails.vtt": of_film(),
    "GET /v1/files/{file_id}/thumbnails/{name}": of_film(name="1.jpg"),
    "GET /v1/files/{file_id}/hls/master.m3u8": of_film(),
    "GET /v1/files/{file_id}/hls/{rendition}/{name}": of_film(rendition="120p", name="index.m3u8"),
    "GET /v1/files/stream/{file_id}": by_id_and_token,
    "HEAD /v1/files/stream/{file_id}": by_id_and_token,
    "GET /v1/files/stream": by_location_and_token,
    "HEAD /v1/files/stream": by_location_and_token,
    "POST /v1/files/location": by_location,
    "GET /v1/files/token": for_file,
    "POST /v1/files/token": for_file,
    "DELETE /v1/files/token": for_file,
    "HEAD /v1/uploads/{upload_id}": of_upload,
    "DELETE /v1/uploads/{upload_id}": of_upload,
    "PATCH /v1/uploads/{upload_id}": to_upload,
}
