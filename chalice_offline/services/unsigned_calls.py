"""Calls that AWS's own clients do not sign: by those who have no credentials yet, since they sign up or in,
and by those who verify tokens of a user pool.

They are those with ``"auth": ["smithy.api#noAuth"]`` in botocore's models of Cognito, which a test compares,
and the documents that a pool publishes (cognito-user-pools-using-tokens-verifying-a-jwt.html).
"""

import re
from collections.abc import Mapping
from typing import Final

_USER_POOLS: Final = frozenset(
    {
        "AssociateSoftwareToken",
        "ChangePassword",
        "CompleteWebAuthnRegistration",
        "ConfirmDevice",
        "ConfirmForgotPassword",
        "ConfirmSignUp",
        "DeleteUser",
        "DeleteUserAttributes",
        "DeleteWebAuthnCredential",
        "ForgetDevice",
        "ForgotPassword",
        "GetDevice",
        "GetTokensFromRefreshToken",
        "GetUser",
        "GetUserAttributeVerificationCode",
        "GetUserAuthFactors",
        "GlobalSignOut",
        "InitiateAuth",
        "ListDevices",
        "ListWebAuthnCredentials",
        "ResendConfirmationCode",
        "RespondToAuthChallenge",
        "RevokeToken",
        "SetUserMFAPreference",
        "SetUserSettings",
        "SignUp",
        "StartWebAuthnRegistration",
        "UpdateAuthEventFeedback",
        "UpdateDeviceStatus",
        "UpdateUserAttributes",
        "VerifySoftwareToken",
        "VerifyUserAttribute",
    }
)
_IDENTITY_POOLS: Final = frozenset({"GetCredentialsForIdentity", "GetId", "GetOpenIdToken", "UnlinkIdentity"})
UNSIGNED_CALLS: Final[Mapping[str, str]] = {
    **{f"AWSCognitoIdentityProviderService.{name}": "cognito-idp" for name in _USER_POOLS},
    **{f"AWSCognitoIdentityService.{name}": "cognito-identity" for name in _IDENTITY_POOLS},
}
"""Signing name of the service by what ``X-Amz-Target`` says."""
_JSON: Final = "application/x-amz-json-1.1"
# A pool's id has an underscore, which no bucket's name has.
_PUBLISHED: Final = re.compile(
    r"/[a-z0-9-]+_[0-9A-Za-z]+/\.well-known/(?:jwks\.json|openid-configuration)", re.ASCII
)


def unsigned_service(
    method: str, path: str, query: Mapping[str, object], headers: Mapping[str, str]
) -> str | None:
    """Return the service that a request calls without having to sign, None if it has to.

    Args:
        path: As sent.
        headers: Names in lower case.
    """
    if method == "GET" and not query and _PUBLISHED.fullmatch(path):
        return "cognito-idp"
    if method != "POST" or path != "/" or query or headers.get("content-type") != _JSON:
        return None
    return UNSIGNED_CALLS.get(headers.get("x-amz-target", ""))
