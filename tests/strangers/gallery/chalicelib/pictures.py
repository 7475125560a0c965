"""Pictures, kept as the bytes that they are."""

from chalice import Blueprint, NotFoundError, Response

pictures = Blueprint(__name__)
KEPT = {}


@pictures.route("/pictures/{name}", methods=["PUT"], content_types=["image/png", "application/octet-stream"])
def put(name):
    KEPT[name] = pictures.current_request.raw_body
    return Response({"bytes": len(KEPT[name])}, status_code=201)


@pictures.route("/pictures/{name}")
def get(name):
    if name not in KEPT:
        raise NotFoundError(name)
    return Response(KEPT[name], headers={"Content-Type": "image/png"})


@pictures.on_sqs_message(queue="gallery-thumbnails", batch_size=1)
def thumbnail(event):
    for record in event:
        print("drew", record.body)
