"""The published description of both APIs, generated from the models that validate what clients send."""
