"""An app of blueprints with forms, bytes, a guard and an API key, asked as browsers and scripts ask."""

import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from tests.support.instance import REPOSITORY, TIME_LIMIT_S, Instance

GALLERY = REPOSITORY / "tests" / "strangers" / "gallery"
PNG = b"\x89PNG\r\n\x1a\n\xde\xad\xbe\xef\x00"
BROWSER = {"Accept": "image/avif,image/webp,image/png,*/*;q=0.8"}
GUEST = {"Authorization": "let me in"}


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with Instance(GALLERY, tmp_path_factory.mktemp("gallery") / "state", "--no-reload") as instance:
        yield instance


@pytest.fixture
def http(gallery: Instance) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{gallery.rest_url}/", trust_env=False, timeout=TIME_LIMIT_S) as client:
        yield client


def test_page_has_its_type_its_cookies_and_what_middleware_adds(http: httpx.Client) -> None:
    page = http.get("")
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html")
    assert page.headers.get_list("Set-Cookie") == ["seen=1", "theme=dark"]
    assert page.headers["X-Gallery"] == "Pictures"


def test_form_of_a_blueprint_is_signed_by_those_whom_its_guard_knows(http: httpx.Client) -> None:
    signed = http.post("guestbook", data={"name": "Ann & Bob"}, headers=GUEST)
    assert (signed.status_code, signed.headers["Location"]) == (303, "/api/guestbook")
    assert http.get("guestbook", headers=GUEST).json() == {"entries": ["Ann & Bob"], "desk": "3"}
    assert http.post("guestbook", data={"x": ""}, headers=GUEST).status_code == 400
    assert http.post("guestbook", json={"name": "x"}, headers=GUEST).status_code == 415
    for headers, status in (({}, 401), ({"Authorization": "hello"}, 403)):
        refused = http.post("guestbook", data={"name": "Eve"}, headers=headers)
        assert (refused.status_code, refused.headers["Content-Type"]) == (status, "application/json")


def test_picture_comes_back_byte_for_byte_to_whoever_asks_for_its_type_first(http: httpx.Client) -> None:
    kept = http.put("pictures/tea", content=PNG, headers={"Content-Type": "image/png"})
    assert (kept.status_code, kept.json()) == (201, {"bytes": len(PNG)})
    picture = http.get("pictures/tea", headers={"Accept": "image/png,*/*"})
    assert (picture.content, picture.headers["Content-Type"]) == (PNG, "image/png")
    # What a browser gets is base64, on AWS as here, unless the app's binary types hold */*.
    assert http.get("pictures/tea", headers=BROWSER).content == b"iVBORw0KGgrerb7vAA=="
    assert http.get("pictures/none", headers={"Accept": "image/png"}).status_code == 404


def test_pre_flight_is_answered_where_the_app_has_cors_and_refused_elsewhere(http: httpx.Client) -> None:
    answer = http.options("guestbook")
    assert answer.headers["Access-Control-Allow-Origin"] == "https://gallery.example"
    assert answer.headers["Access-Control-Max-Age"] == "600"
    assert http.options("").status_code == 403


def test_route_that_asks_for_an_api_key_is_closed_without_one_and_that_is_said(
    gallery: Instance, http: httpx.Client
) -> None:
    gallery.line('any API key is let in; gateway.api_keys says which routes=["/statistics"]')
    assert http.get("statistics").status_code == 403
    assert http.get("statistics", headers={"x-api-key": "k1"}).json() == {"key": "k1"}


def test_queue_of_a_blueprint_is_polled(gallery: Instance) -> None:
    command = [sys.executable, "-m", "chalice_offline", "send", "gallery-thumbnails", "tea"]
    subprocess.run([*command, "--state-dir", str(gallery.state_dir)], cwd=REPOSITORY, check=True)
    gallery.line("thumbnail drew tea")
