"""The REST API: which route a request has, who may use it, and what its function is asked.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
"""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from chalice_offline.gateway.authorizer import NO_POLICY, Refusal, weigh
from chalice_offline.gateway.authorizer_answers import TTL_S, AuthorizerAnswers, KeptAnswer
from chalice_offline.gateway.edge import Edge
from chalice_offline.gateway.events import Event
from chalice_offline.gateway.ids import with_parent
from chalice_offline.gateway.invocations import PAYLOAD_BYTES_MAX
from chalice_offline.gateway.proxy_response import is_binary, proxy_response, response_of
from chalice_offline.gateway.refusals import (
    BY_AUTHORIZER,
    EVENT_TOO_LONG,
    EXPIRED_TOKEN,
    MALFORMED,
    NO_API_KEY,
    unknown_route,
)
from chalice_offline.gateway.resources import Match, Resources
from chalice_offline.gateway.responses import Response
from chalice_offline.gateway.rest_events import Request, proxy_event
from chalice_offline.gateway.settings import CallbackSignatures
from chalice_offline.gateway.signatures import SignedRequest, refuse_unsigned, refuse_unverified, signer_of
from chalice_offline.gateway.user_pools import Fault, claims_in, fault_of
from chalice_offline.invocation import Outcome, Returned, UserPoolGuard

_PREFLIGHT: Final = "OPTIONS"
_BY_KEPT_ANSWER: Final = (
    "refused by what the authorizer answered to an earlier request, which holds for its ttl_seconds, as on"
    " AWS: its policy has to allow every route that the token is good for"
)
_NO_RESPONSE: Final = "answered with a status, headers, a body or more that API Gateway does not send: 502"
_TRACE_ID: Final = "X-Amzn-Trace-Id"
# A byte of a body takes six of its event at most.
_SURELY_FITS: Final = PAYLOAD_BYTES_MAX // 7
_BY_FAULT: Final = {
    Fault.NOT_VALID: BY_AUTHORIZER[Refusal.UNAUTHORIZED],
    Fault.EXPIRED: EXPIRED_TOKEN,
    Fault.LACKS_SCOPE: BY_AUTHORIZER[Refusal.DENIED],
}


class RestApi:
    """Answers HTTP requests by way of the app's one REST function."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._api = replace(edge.api, stage=edge.settings.rest_stage)
        self.read_routes()

    def read_routes(self) -> None:
        """Use the routes that the app's description has now; its authorizers may answer otherwise, too."""
        manifest = self._edge.manifest
        # Chalice deploys the method of a pre-flight only where a route has CORS.
        self._resources = Resources(
            {
                path: {*methods, _PREFLIGHT} if path in manifest.http_cors else methods
                for path, methods in manifest.http_routes.items()
            }
        )
        self._answers = AuthorizerAnswers()

    async def respond(self, request: Request) -> Response:
        """Answer one request; the app is asked only if route and authorizer let it through."""
        manifest = self._edge.manifest
        match = self._resources.find(request.method, request.path)
        if match is None:
            return unknown_route(request.header("authorization"))
        if request.method not in manifest.http_routes[match.resource]:
            return self._preflight(match.resource)
        event = proxy_event(
            self._api,
            request,
            match,
            binary_types=manifest.http_binary_types,
            stage_variables=self._edge.settings.stage_variables,
        )
        refusal = await self._guarded(request, event, match) or self._without_key(request, event, match)
        if refusal is not None:
            return refusal
        if manifest.http_function is None:
            return MALFORMED
        if len(request.body) > _SURELY_FITS and not _is_payload(event):
            return EVENT_TOO_LONG
        outcome = await self._edge.invoke(manifest.http_function, event, request.caller)
        return self._answer(request, match, outcome)

    def _answer(self, request: Request, match: Match, outcome: Outcome) -> Response:
        """Return what the client is told of what the function has answered."""
        response = response_of(
            outcome,
            integration_timeout_s=self._edge.settings.limits.integration_timeout_s,
            sends_binary=is_binary(request.header("accept"), self._edge.manifest.http_binary_types),
        )
        if not isinstance(outcome, Returned):
            return response
        if response == MALFORMED:
            self._edge.warn(_NO_RESPONSE, route=f"{request.method} {match.resource}")
            return response
        trace = with_parent(request.header(_TRACE_ID.lower()) or "", os.urandom)
        headers = [(name, value) for name, value in response.headers if name.lower() != _TRACE_ID.lower()]
        return response._replace(headers=(*headers, (_TRACE_ID, trace)))

    async def _guarded(self, request: Request, event: dict[str, Any], match: Match) -> Response | None:
        """Ask the authorizer of a route, of which it has one at most; add what that says of the caller to the
        event, or return the refusal.
        """
        manifest = self._edge.manifest
        authorizer = manifest.http_authorizers.get(match.resource, {}).get(request.method)
        if authorizer is not None:
            return await self._authorize(request, event, authorizer, match.resource)
        if request.method in manifest.http_iam.get(match.resource, ()):
            return self._ask_for_signature(request, event)
        pool_guard = manifest.http_user_pools.get(match.resource, {}).get(request.method)
        return None if pool_guard is None else await self._ask_pool(request, event, pool_guard)

    def _without_key(self, request: Request, event: dict[str, Any], match: Match) -> Response | None:
        """Refuse a request to a route that asks for an API key, if it has none that is known."""
        if request.method not in self._edge.manifest.http_api_keys.get(match.resource, ()):
            return None
        key = request.header("x-api-key")
        if not self._takes_key(key):
            return NO_API_KEY
        event["requestContext"]["identity"]["apiKey"] = key
        return None

    def _ask_for_signature(self, request: Request, event: dict[str, Any]) -> Response | None:
        """Add who signed a request to the event, or return the refusal."""
        settings = self._edge.settings
        headers = request.headers_by_name()
        match settings.iam:
            case CallbackSignatures.OPEN:
                return None
            case CallbackSignatures.SIGNED:
                refusal = refuse_unsigned(headers)
            case CallbackSignatures.VERIFIED:
                base = f"/{self._api.stage}" if request.has_stage else request.base_path
                signed = SignedRequest(request.method, base + request.target, headers, request.body)
                refusal = refuse_unverified(
                    signed,
                    secrets=settings.credentials,
                    region=settings.region,
                    now=datetime.fromtimestamp(request.now_ms / 1000, UTC),
                )
        if refusal is None:
            key = signer_of(headers)
            said = {"accessKey": key, "accountId": settings.account_id, "caller": key, "user": key}
            owner = f"arn:aws:iam::{settings.account_id}:root"
            event["requestContext"]["identity"] |= {**said, "userArn": owner}
        return refusal

    async def _ask_pool(
        self, request: Request, event: dict[str, Any], guard: UserPoolGuard
    ) -> Response | None:
        """Add what a user pool's token says to the event, or return the refusal.

        Where there is none of the route's pools to have a token from, a request without one is let in, and
        unknown, and a token is only read.
        """
        found = {pool: await self._edge.settings.find_pool(pool) for pool in guard.pools}
        pools = {pool: keys for pool, keys in found.items() if keys is not None}
        token = request.header(guard.header.lower())
        if not token:
            return BY_AUTHORIZER[Refusal.UNAUTHORIZED] if pools else None
        if pools:
            fault = fault_of(token, pools, scopes=guard.scopes, now_s=request.now_ms / 1000)
            if fault is not None:
                return _BY_FAULT[fault]
        claims = claims_in(token)
        if claims is None:
            return BY_AUTHORIZER[Refusal.UNAUTHORIZED]
        event["requestContext"]["authorizer"] = {"claims": dict(claims)}
        return None

    def _takes_key(self, key: str | None) -> bool:
        known = self._edge.settings.api_keys
        return bool(key) and (not known or key in known)

    def _preflight(self, resource: str) -> Response:
        """Answer a pre-flight."""
        manifest = self._edge.manifest
        methods = ",".join([*manifest.http_routes[resource], _PREFLIGHT])
        headers = {"Access-Control-Allow-Methods": methods, **manifest.http_cors[resource]}
        return proxy_response({"statusCode": 200, "headers": headers}, sends_binary=False)

    async def _authorize(
        self, request: Request, event: dict[str, Any], function_name: str, resource: str
    ) -> Response | None:
        """Ask the route's TOKEN authorizer; add what it says of the caller to the event,
        or return the refusal.
        """
        header = self._edge.manifest.http_authorizer_headers.get(function_name, "Authorization").lower()
        token = request.header(header)
        if not token:
            return BY_AUTHORIZER[Refusal.UNAUTHORIZED]  # the authorizer is not asked
        method_arn = self._api.method_arn(f"{request.method}{request.path}")
        now_s = request.now_ms / 1000
        answers = self._answers  # what the code of before a reload says late is not kept for the new one
        kept = answers.find(function_name, token, now_s=now_s)
        asked = {"type": "TOKEN", "methodArn": method_arn, "authorizationToken": token}
        began_ms = self._edge.now_ms()
        outcome = kept.outcome if kept else await self._edge.invoke(function_name, asked)
        latency_ms = max(0, self._edge.now_ms() - began_ms)
        decision = weigh(outcome, method_arn=method_arn)
        if isinstance(outcome, Returned) and decision is not Refusal.FAILED and kept is None:
            answer = KeptAnswer(outcome, let_in=not isinstance(decision, Refusal))
            answers.keep(function_name, token, answer, now_s=now_s, ttl_s=self._ttl_s(function_name))
        if isinstance(decision, Refusal):
            if decision is Refusal.FAILED and isinstance(outcome, Returned):
                self._edge.warn(NO_POLICY, authorizer=function_name)
            if kept is not None and kept.let_in:
                self._edge.warn(_BY_KEPT_ANSWER, authorizer=function_name, route=resource)
            return BY_AUTHORIZER[decision]
        event["requestContext"]["authorizer"] = decision.after(latency_ms)
        return None

    def _ttl_s(self, authorizer: str) -> float:
        if not self._edge.settings.keeps_authorizers_answers:
            return 0
        return self._edge.manifest.http_authorizer_ttls.get(authorizer, TTL_S)


def _is_payload(event: Event) -> bool:
    """Return whether Lambda takes an event, which is longer than its body: that is in JSON, or in base64."""
    return len(json.dumps(event, ensure_ascii=False).encode(errors="surrogatepass")) <= PAYLOAD_BYTES_MAX
