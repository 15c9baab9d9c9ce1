"""Kafka as production has it, on this machine: several brokers that copy one another, or one that lets in who has an account."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import trustme
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from stock_tracker.home import cache
from stock_tracker.kafka import jars, java
from stock_tracker.kafka.broker import HEAP
from stock_tracker.kafka.recipe import Recipe
from stock_tracker.ports import free_port
from tests.patience import until

ADMIN: Final = "admin"
"""Who may do everything on a cluster with accounts."""
CLUSTER_ID: Final = "c2VjdXJlLWNsdXN0ZXItMQ"


@dataclass
class Node:
    """One broker, which is a controller too."""

    number: int
    folder: Path
    port: int = field(default_factory=free_port)
    """Where clients come."""
    inner_port: int = field(default_factory=free_port)
    """Where the other brokers come."""
    controller_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """What it has to say."""
        return self.folder / "broker.log"

    def kill(self) -> None:
        """Let it die at once."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Cluster:
    """``count`` brokers whose topics have as many copies; with accounts, TLS and ACLs if there are ``passwords``."""

    def __init__(self, folder: Path, count: int, passwords: Mapping[str, str] | None = None) -> None:
        self.nodes = [Node(number, folder / f"broker-{number}") for number in range(1, count + 1)]
        self.authority = trustme.CA()
        self.ca_file = folder / "ca.pem"
        self._passwords = passwords or {}
        self._recipe = Recipe.of_repository()
        downloads = cache(os.environ)
        runtime = java.find(self._recipe, downloads, os.environ, _quiet)
        classes = jars.ready(self._recipe, downloads, os.environ, _quiet)
        logging = f"-Dlog4j2.configurationFile={self._recipe.logging.as_uri()}"
        self._java = [str(runtime.path), *HEAP, logging, "-cp", f"{classes}/*"]
        folder.mkdir(parents=True, exist_ok=True)
        self.authority.cert_pem.write_to_path(self.ca_file)

    @property
    def bootstrap(self) -> str:
        """Where clients come."""
        return ",".join(f"localhost:{node.port}" for node in self.nodes)

    def environ(self, user: str = ADMIN) -> dict[str, str]:
        """The variables by which our services reach it as ``user``."""
        named = {"KAFKA_BOOTSTRAP": self.bootstrap}
        if self._passwords:
            named |= {
                "KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", "KAFKA_SASL_USERNAME": user,
                "KAFKA_SASL_PASSWORD": self._passwords[user], "KAFKA_SSL_CA_LOCATION": str(self.ca_file),
            }  # fmt: skip
        return named

    def start(self, node: Node) -> None:
        """Start a broker on what it has, and return at once."""
        with node.log.open("ab") as log:
            command = [*self._java, "kafka.Kafka", "server.properties"]
            node.process = subprocess.Popen(command, cwd=node.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def prepare(self) -> None:
        """Write settings and storage of all brokers."""
        for node in self.nodes:
            node.folder.mkdir(parents=True)
            (node.folder / "server.properties").write_text(self._settings(node))
            accounts = [f"SCRAM-SHA-512=[name={name},password={secret}]" for name, secret in self._passwords.items()]
            scram = [word for account in accounts for word in ("--add-scram", account)]
            format_ = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", "server.properties", *scram]
            subprocess.run([*self._java, *format_], cwd=node.folder, check=True, capture_output=True)

    def answers(self, brokers: int) -> bool:
        """Whether so many brokers are known to be there."""
        admin = AdminClient({**self.kafka(), "log_level": "0"})
        try:
            return len(admin.list_topics(timeout=2).brokers) == brokers
        except KafkaException:
            return False

    def kafka(self, user: str = ADMIN) -> dict[str, str]:
        """librdkafka's settings for ``user``."""
        from schemas.deployment import kafka_config

        return kafka_config(self.environ(user))

    def stop(self) -> None:
        """Let all brokers die: what they have is thrown away."""
        for node in self.nodes:
            if node.process is not None and node.process.poll() is None:
                node.kill()

    def _settings(self, node: Node) -> str:
        count = len(self.nodes)
        copies = min(count, 3)
        outer = "SASL_SSL" if self._passwords else "PLAINTEXT"
        # Among themselves the brokers speak in clear, on this machine only.
        lines = [
            self._recipe.settings,
            f"node.id={node.number}",
            f"listeners={outer}://127.0.0.1:{node.port},INNER://127.0.0.1:{node.inner_port},"
            f"CONTROLLER://127.0.0.1:{node.controller_port}",
            f"advertised.listeners={outer}://localhost:{node.port},INNER://127.0.0.1:{node.inner_port}",
            "inter.broker.listener.name=INNER",
            f"listener.security.protocol.map=CONTROLLER:PLAINTEXT,INNER:PLAINTEXT,{outer}:{outer}",
            "controller.quorum.voters=" + ",".join(f"{n.number}@127.0.0.1:{n.controller_port}" for n in self.nodes),
            f"default.replication.factor={copies}",
            f"min.insync.replicas={max(1, copies - 1)}",
            f"offsets.topic.replication.factor={copies}",
            f"transaction.state.log.replication.factor={copies}",
            f"transaction.state.log.min.isr={max(1, copies - 1)}",
        ]
        if self._passwords:
            certificate = self.authority.issue_cert("localhost")
            # Kafka reads keys as PKCS #8 only.
            key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
            secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            (node.folder / "server.pem").write_bytes(secret + b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
            lines += [
                "sasl.enabled.mechanisms=SCRAM-SHA-512",
                "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config="
                "org.apache.kafka.common.security.scram.ScramLoginModule required;",
                "ssl.keystore.type=PEM",
                "ssl.keystore.location=server.pem",
                "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                f"super.users=User:{ADMIN};User:ANONYMOUS",
            ]
        return "\n".join(lines) + "\n"


@contextmanager
def cluster(folder: Path, count: int, passwords: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """A cluster that answers, for as long as the block runs."""
    made = Cluster(folder, count, passwords)
    made.prepare()
    try:
        for node in made.nodes:
            made.start(node)
        until(lambda: made.answers(count), f"{count} brokers")
        yield made
    finally:
        made.stop()


def _quiet(line: str) -> None:
    """Tell nobody."""
