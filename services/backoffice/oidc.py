"""Logging in at the identity provider by OpenID Connect: the code flow with PKCE, state and nonce.

Authlib speaks the protocol and verifies the ID token. Importing it takes a while, which who has no provider saves.
"""

from typing import Any

import httpx
from authlib.integrations.base_client import OAuthError  # type: ignore[import-untyped]
from authlib.integrations.starlette_client import OAuth  # type: ignore[import-untyped]
from itsdangerous import BadData, URLSafeTimedSerializer
from joserfc.errors import JoseError
from starlette.requests import Request

from services.backoffice.signon import LASTS_S, Identity, NotSignedOn, Provider, ProviderAway, told

SIGNED_BY = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Ways to sign an ID token that need a key nobody but the provider has."""
SALT = "comptoir login at a provider"


class SignOn:
    """One provider. Without state of its own: what lies between two requests is in a signed cookie of the browser."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.called = provider.called
        self.app = OAuth().register(
            "provider",
            client_id=provider.client_id,
            client_secret=provider.client_secret,
            server_metadata_url=f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": provider.scope,
                "code_challenge_method": "S256",
                "timeout": provider.timeout_s,
            },
        )
        self.signer = URLSafeTimedSerializer(provider.client_secret, salt=SALT)

    async def begin(self, request: Request, back: str, onward: str) -> tuple[str, str]:
        """Where the browser is sent, and the cookie that it brings back. Raises ProviderAway."""
        request.scope["session"] = {"onward": onward}
        try:
            await self._known()
            sent = await self.app.authorize_redirect(request, back)
        except (httpx.HTTPError, OAuthError, ValueError, RuntimeError) as error:
            raise ProviderAway(str(error) or type(error).__name__) from error
        return str(sent.headers["location"]), str(self.signer.dumps(request.session))

    async def end(self, request: Request, cookie: str) -> tuple[Identity, str]:
        """Who came back, and where to go on to. Raises NotSignedOn or ProviderAway."""
        try:
            request.scope["session"] = self.signer.loads(cookie, max_age=LASTS_S)
        except BadData:
            raise NotSignedOn("this browser did not begin a login, or too long ago") from None
        onward = str(request.session.get("onward", "/"))
        try:
            await self._known()
            token = await self.app.authorize_access_token(request)
            claims = dict(token.get("userinfo") or {})
            if not claims.get("sub"):
                raise NotSignedOn("there is no ID token")
            if not told(claims, self.provider.groups_claim) or not claims.get(self.provider.name_claim):
                more = dict(await self.app.userinfo(token=token))
                if (
                    more.get("sub") == claims["sub"]
                ):  # section 5.3.2 of OpenID Connect Core: else it is of another person
                    claims = {**more, **claims}
        except (OAuthError, JoseError) as error:
            raise NotSignedOn(str(error)) from error
        except (httpx.HTTPError, ValueError, RuntimeError) as error:
            if isinstance(error, NotSignedOn):
                raise
            raise ProviderAway(str(error) or type(error).__name__) from error
        return self.provider.identity(claims), onward

    async def leave(self) -> str:
        """Where the provider lets people log out of everything; empty where it does not. Raises ProviderAway."""
        try:
            return str((await self._known()).get("end_session_endpoint", ""))
        except (httpx.HTTPError, ValueError, RuntimeError) as error:
            raise ProviderAway(str(error) or type(error).__name__) from error

    async def _known(self) -> dict[str, Any]:
        """What the provider says of itself, asked once."""
        said: dict[str, Any] = await self.app.load_server_metadata()
        if said.get("issuer") != self.provider.issuer:
            self.app.server_metadata = {}
            raise ProviderAway(f"the provider calls itself {said.get('issuer')!r}, the setting says otherwise")
        offered = said.get("id_token_signing_alg_values_supported") or ["RS256"]
        said["id_token_signing_alg_values_supported"] = [way for way in offered if way in SIGNED_BY]
        return said
