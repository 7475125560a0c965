"""The clients of what lies outside the process: the database, AWS's endpoints, secrets,
and threads to wait in.
"""

from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from chalicelib.adapters.time_left import time_left
from chalicelib.config import ConfigurationError, Settings, node_addresses
from chalicelib.domain.errors import RetryableError
from chalicelib.made_once import made_once

if TYPE_CHECKING:
    import botocore.session
    from sqlalchemy import Engine

    from chalicelib.adapters.aws.endpoint import AwsEndpoint
    from chalicelib.adapters.aws.secrets import Secrets

THREADS: Final = 16
"""For questions to venues, counts of open orders and replays: waiting, not computing."""


CHECK_TIME_LIMIT_S: Final = 3.0
"""For the database's answer to the readiness check."""


class Clients:
    """Everything is made on first use; nothing is connected before it is needed."""

    def __init__(self, settings: Settings) -> None:
        self._endpoints: list[AwsEndpoint] = []
        self._settings = settings

    @made_once
    def executor(self) -> Executor:
        return ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="io")

    @made_once
    def engine(self) -> "Engine":
        from chalicelib.adapters.postgres.revision import refuse_older
        from chalicelib.migrations import revisions

        engine = self._engine_of_any_database()
        refuse_older(engine, revisions())
        return engine

    def _engine_of_any_database(self) -> "Engine":
        from chalicelib.adapters.postgres.engine import make_engine

        settings = self._settings
        if not (settings.database_url or settings.database_secret):
            raise ConfigurationError("DATABASE_URL: is missing, and no secret is named")
        if settings.database_url:
            return make_engine(settings.database_url)
        from sqlalchemy.engine import make_url

        from chalicelib.adapters.aws.secrets import login_url
        from chalicelib.adapters.postgres.engine import encryption
        from chalicelib.adapters.postgres.rotation import make_rotating_engine

        def read_url(*, is_fresh: bool) -> str:
            login, url = self.secrets.text(settings.database_secret, is_fresh=is_fresh), ""
            try:
                url = login_url(login, host=settings.database_host)
                encryption(make_url(url))
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                # As one that was overwritten by hand: once it is mended, all goes on.
                problem = f"it lacks {error}" if isinstance(error, KeyError) else "no JSON object of texts"
                problem = "its host, port or sslmode is none" if url else problem
                raise RetryableError(f"the database's secret is no login of RDS's form: {problem}") from None
            return url

        return make_rotating_engine(read_url)

    def check_database(self) -> None:
        """Raise ``RetryableError`` if the database does not answer, lacks a migration, or takes no writes."""
        from chalicelib.adapters.postgres.readiness import check_takes_writes
        from chalicelib.adapters.postgres.revision import check_revision
        from chalicelib.migrations import revisions

        # Half of a function's time at most: the queue is to be asked as well.
        with time_left.at_most(CHECK_TIME_LIMIT_S):
            check_revision(self.engine, revisions())
            check_takes_writes(self.engine)

    def endpoint(self, url: str, service: str, *, region: str = "") -> "AwsEndpoint":
        """Return what signs and sends requests to a service.

        In the functions' own region unless one is named.

        Raises:
            ConfigurationError: There are no credentials to sign with, or no authorities where they are said
                to be.
        """
        from botocore.credentials import EnvProvider

        from chalicelib.adapters.aws.endpoint import AwsEndpoint

        # Lambda has them in variables, where a session looks first; making one takes 5 MB and 15 ms of a cold
        # start.
        credentials = EnvProvider().load() or self._aws.get_credentials()
        if credentials is None:
            raise ConfigurationError(f"no AWS credentials: requests to {service} cannot be signed")
        try:
            made = AwsEndpoint(
                url,
                service=service,
                region=region or self._settings.aws_region,
                credentials=credentials,
                authorities=self._settings.aws_ca_bundle,
            )
        except OSError as error:
            raise ConfigurationError(f"AWS_CA_BUNDLE: is no file of authorities: {error}") from error
        self._endpoints.append(made)
        return made

    def close(self) -> None:
        """Close all connections that were made; they are made anew if something is asked for again."""
        for endpoint in self._endpoints:
            endpoint.close()
        if "engine" in self.__dict__:
            self.engine.dispose()

    def wallet_seed(self) -> str:
        """Return what the wallets are derived from.

        Raises:
            ConfigurationError: It is missing or empty.
        """
        secret = self._settings.wallet_seed_secret
        seed = self._settings.wallet_seed or (self.secrets.text(secret) if secret else "")
        if not seed:
            raise ConfigurationError("WALLET_SEED: is missing, and an empty seed is no secret")
        return seed

    def solana_nodes(self) -> tuple[str, ...]:
        """Return the nodes' addresses, the preferred one first.

        Raises:
            ConfigurationError: None is named.
            RetryableError: They are a secret, which cannot be read.
        """
        secret = self._settings.solana_nodes_secret
        named = node_addresses(self._settings.solana_rpc_urls)
        nodes = named or (node_addresses(self.secrets.text(secret)) if secret else ())
        if not nodes:
            raise ConfigurationError("SOLANA_RPC_URLS: is missing: a node's address")
        return nodes

    @made_once
    def kms(self) -> "AwsEndpoint":
        """AWS KMS, for the keys that it holds."""
        return self.endpoint(self._settings.kms_endpoint, "kms")

    @made_once
    def _aws(self) -> "botocore.session.Session":
        import botocore.session

        return botocore.session.get_session()

    @made_once
    def secrets(self) -> "Secrets":
        from chalicelib.adapters.aws.secrets import Secrets

        return Secrets(lambda: self._secrets_manager)

    @made_once
    def _secrets_manager(self) -> "AwsEndpoint":
        return self.endpoint(self._settings.secrets_endpoint, "secretsmanager")
