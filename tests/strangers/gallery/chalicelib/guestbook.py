"""Entries of a form, for those whom the guard knows."""

from urllib.parse import parse_qs

from chalice import AuthResponse, BadRequestError, Blueprint, Response

guestbook = Blueprint(__name__)
ENTRIES = []


@guestbook.authorizer(ttl_seconds=30)
def guard(request):
    known = request.token == "let me in"
    return AuthResponse(routes=["*"] if known else [], principal_id="guest", context={"desk": 3})


@guestbook.route("/", methods=["POST"], content_types=["application/x-www-form-urlencoded"], authorizer=guard)
def sign():
    form = parse_qs(guestbook.current_request.raw_body.decode())
    if "name" not in form:
        raise BadRequestError("who are you?")
    ENTRIES.append(form["name"][0])
    return Response("", status_code=303, headers={"Location": "/api/guestbook"})


@guestbook.route("/", methods=["GET"], authorizer=guard)
def entries():
    return {"entries": ENTRIES, "desk": guestbook.current_request.context["authorizer"]["desk"]}
