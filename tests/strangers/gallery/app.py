"""A gallery of blueprints, in the manner of larger apps: a form, pictures as bytes, a guard, an API key."""

import os

from chalice import Chalice, CORSConfig, Response
from chalicelib.guestbook import guestbook
from chalicelib.pictures import pictures

app = Chalice(app_name="gallery")
app.experimental_feature_flags.update(["BLUEPRINTS"])
app.api.cors = CORSConfig(allow_origin="https://gallery.example", max_age=600)
app.register_blueprint(guestbook, url_prefix="/guestbook", name_prefix="guestbook_")
app.register_blueprint(pictures)


@app.middleware("http")
def signed(event, get_response):
    response = get_response(event)
    response.headers["X-Gallery"] = os.environ["TITLE"]
    return response


@app.route("/", cors=False)
def index():
    page = f"<title>{os.environ['TITLE']}</title>"
    return Response(page, headers={"Content-Type": "text/html", "Set-Cookie": ["seen=1", "theme=dark"]})


@app.route("/statistics", api_key_required=True)
def statistics():
    return {"key": app.current_request.context["identity"]["apiKey"]}
