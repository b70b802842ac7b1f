"""`crdbops.toml`: sites, clusters, roles, and what every operation asks for.

One file, read by the bot and by the workers at start; unknown keys are refused and empty lists mean nobody. Here is
its shape and its validation; the process that reads it does so in its composition root (`worker.py`, `bot.__main__`).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from domain.canonical import canonical_hash
from domain.errors import InvalidRequestError
from domain.model import ClusterRef, ClusterSpec, Label, Size, Version

RoleName = Literal["viewer", "operator", "approver"]

_DOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SIGNER = re.compile(rf"({_DOMAIN.pattern})/[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_CPU = re.compile(r"[1-9][0-9]{0,5}m?|0\.[0-9]{0,2}[1-9]|[1-9][0-9]{0,3}\.[0-9]{1,3}")
#: A certificate's dates end with the year 9999; nobody means a life of more than thirty years.
_MOST_DAYS = 30 * 365


def _domain(value: str) -> str:
    if len(value) > 200 or not _DOMAIN.fullmatch(value):
        raise ValueError(f"found {value!r}, expected a DNS domain such as 'cluster.local'")
    return value


def _signer(value: str) -> str:
    match = _SIGNER.fullmatch(value)
    if match is None:
        raise ValueError(f"found {value!r}, expected a signer name such as 'crdbops.internal/node'")
    if match[1] == "kubernetes.io" or match[1].endswith(".kubernetes.io"):
        raise ValueError(
            f"found {value!r}, expected a signer of ours: those of Kubernetes cannot issue these certificates"
        )
    return value


def _cpu(value: str) -> str:
    if not _CPU.fullmatch(value):
        raise ValueError(f"found {value!r}, expected CPUs such as '2', '0.5' or '500m'")
    return value


def _said(value: str) -> str:
    if not value.strip() or value != value.strip():
        raise ValueError(f"found {value!r}, expected a text that is not empty, without spaces around it")
    return value


#: A text that must say something: what is empty would match what is empty elsewhere.
Said = Annotated[str, AfterValidator(_said)]
Domain = Annotated[str, AfterValidator(_domain)]
Signer = Annotated[str, AfterValidator(_signer)]
Cpu = Annotated[str, AfterValidator(_cpu)]
#: Three seconds are the least: whoever tries out what happens then need not wait for a minute.
Minutes = Annotated[float, Field(ge=0.05, le=60 * 24, allow_inf_nan=False)]
#: When people are reminded, and the channel is told, where the file says nothing and the card is open for so long.
_REMIND, _ESCALATE = (15.0, 40.0), 50.0


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Site(_Strict):
    """One Kubernetes cluster."""

    cluster_domain: Domain = Field(default="cluster.local", description="DNS domain of this Kubernetes")
    system_namespace: Label = Field(default="crdbops-system", description="namespace of the CA keys; no cluster's")
    node_signer: Signer = Field(default="crdbops.internal/node", description="signer name of nodes' certificates")
    client_signer: Signer = Field(default="crdbops.internal/client", description="signer name of clients' certificates")
    channel: Said | None = Field(
        default=None, description="Slack channel id for what belongs to no cluster; else that of its first cluster"
    )

    @model_validator(mode="after")
    def _two_signers(self) -> Site:
        if self.node_signer == self.client_signer:
            raise ValueError(
                f"found {self.node_signer!r} as node_signer and as client_signer, expected two signer names"
            )
        return self


class Upgrades(_Strict):
    """How upgrades of one database cluster go."""

    ask_after_canary: Literal["always", "major", "never"] = Field(
        default="major", description="when people decide after the first node on a new release"
    )
    soak_minutes: float = Field(
        default=0, ge=0, le=60 * 24, allow_inf_nan=False, description="minutes that the first node runs before that"
    )
    gate_pause_seconds: float = Field(
        default=60, ge=0, le=60 * 60, allow_inf_nan=False, description="seconds between a node's return and the next"
    )
    pause_hours: float = Field(
        default=24,
        gt=0,
        le=24 * 30,
        allow_inf_nan=False,
        description="hours that a paused upgrade waits to be resumed before it stops where it is",
    )
    observe_hours: float = Field(
        default=24,
        ge=0,
        le=24 * 30,
        allow_inf_nan=False,
        description="hours that a major upgrade is watched before people are asked to make it final",
    )


class Scales(_Strict):
    """How scales of one database cluster go."""

    stalled_minutes: Minutes = Field(
        default=3, description="minutes in which no replica moved, after which it is said what holds them up"
    )


class Cluster(_Strict):
    """One database cluster: where it lives and what a first deploy makes."""

    site: str = Field(description="name of the site it lives at")
    namespace: Label = Field(description="its namespace, which holds this cluster alone")
    channel: Said = Field(description="Slack channel id in which its operations are shown")
    nodes: int = Field(default=3, ge=3, le=99, description="nodes of a first deploy")
    max_nodes: int = Field(default=9, ge=3, le=99, description="most nodes that anybody may ask for")
    version: Version = Field(description="CockroachDB release of a first deploy, such as v25.2.3")
    storage: Size = Field(default="100Gi", description="size of each node's volume")
    storage_class: Said = Field(description="StorageClass of the volumes")
    cpu: Cpu = Field(default="2", description="CPUs of each node")
    memory: Size = Field(default="8Gi", description="memory of each node")
    client_users: tuple[Said, ...] = Field(
        default=("root",), description="SQL users that may have a client certificate; never `node`"
    )
    scale: Scales = Field(default=Scales(), description="how its scales go")
    upgrade: Upgrades = Field(default=Upgrades(), description="how its upgrades go")

    @model_validator(mode="after")
    def _node_is_no_user(self) -> Cluster:
        if "node" in self.client_users:
            raise ValueError("client_users: found 'node', expected SQL users such as 'root'; 'node' is never a client")
        if self.nodes > self.max_nodes:
            raise ValueError(f"nodes: found {self.nodes}, expected at most max_nodes, {self.max_nodes}")
        return self


class Role(_Strict):
    """Who holds a role: members of these user groups, and these people. Both empty: nobody."""

    groups: tuple[Said, ...] = Field(default=(), description="ids of Slack user groups, such as S0123ABCD")
    people: tuple[Said, ...] = Field(default=(), description="ids of Slack users, such as U0123ABCD")


class OperationRule(_Strict):
    """Who may ask for an operation."""

    ask: RoleName = Field(default="operator", description="role that may ask for it")


class ApprovalRule(_Strict):
    """Who decides on what is asked of one kind, and how long a card stays open."""

    role: RoleName = Field(default="approver", description="role that decides; not `viewer`, which everybody holds")
    approvals: int = Field(default=1, ge=1, le=5, description="how many different people must approve")
    four_eyes: bool = Field(default=True, description="whether who asked is kept from approving")
    expires_minutes: Minutes = Field(default=60.0, description="minutes until a card expires, from when it is shown")
    remind_minutes: tuple[Minutes, ...] = Field(
        default_factory=lambda rule: tuple(m for m in _REMIND if m < rule["expires_minutes"]),
        description="minutes after which people are reminded",
    )
    escalate_minutes: Minutes | None = Field(
        default_factory=lambda rule: _ESCALATE if rule["expires_minutes"] > _ESCALATE else None,
        description="minutes after which the channel is told",
    )

    @model_validator(mode="after")
    def _not_everybody(self) -> ApprovalRule:
        if self.role == "viewer":
            raise ValueError("role: found 'viewer', which the whole workspace holds, expected 'approver' or 'operator'")
        return self

    @model_validator(mode="after")
    def _said_before_it_expires(self) -> ApprovalRule:
        for name, minutes in (("remind_minutes", self.remind_minutes), ("escalate_minutes", (self.escalate_minutes,))):
            late = [m for m in minutes if m is not None and m >= self.expires_minutes]
            if late:
                raise ValueError(
                    f"{name}: found {late[0]:g}, expected less than expires_minutes, {self.expires_minutes:g}, "
                    "since nobody is told of a card that has expired"
                )
        if list(self.remind_minutes) != sorted(set(self.remind_minutes)):
            found = ", ".join(f"{m:g}" for m in self.remind_minutes)
            raise ValueError(f"remind_minutes: found [{found}], expected rising numbers such as [15, 40]")
        return self


def _two_people(value: object) -> object:
    """Data that is deleted is gone: two people unless the file says how many, also where it sets other keys."""
    return {"approvals": 2, **value} if isinstance(value, dict) else value


class Approvals(_Strict):
    """Approval rules by kind: three of certificates, `client_root` being a superuser's, and what else is asked."""

    node: ApprovalRule = Field(default=ApprovalRule(), description="certificates of nodes")
    client: ApprovalRule = Field(default=ApprovalRule(), description="certificates of SQL users but root")
    client_root: ApprovalRule = Field(default=ApprovalRule(), description="root's certificate, a superuser's")
    volume: Annotated[ApprovalRule, BeforeValidator(_two_people)] = Field(
        default=ApprovalRule(approvals=2), description="deletion of a volume with the data on it"
    )
    upgrade: ApprovalRule = Field(
        default=ApprovalRule(), description="whether an upgrade begins that our table does not know, goes on, or back"
    )
    finalize: ApprovalRule = Field(
        default=ApprovalRule(), description="whether an upgrade becomes final, which nothing takes back"
    )


class Images(_Strict):
    """The two images: ours with certagent, and the database's, whose tag is the version."""

    agent: Said = Field(description="image with certagent, with its tag")
    database: Said = Field(default="cockroachdb/cockroach", description="image of the database, without a tag")


class Certificates(_Strict):
    """Lifetimes of what the signer makes."""

    ca_days: int = Field(default=5 * 365, ge=1, le=_MOST_DAYS, description="days that a new CA lasts")
    leaf_days: int = Field(
        default=365, ge=1, le=_MOST_DAYS, description="days that a certificate lasts; never past its CA"
    )


class Configuration(_Strict):
    """The whole file."""

    team: Said = Field(description="id of the Slack workspace whose people may act, such as T0123ABCD")
    images: Images = Field(description="the two images")
    sites: dict[Label, Site] = Field(description="Kubernetes clusters by short name")
    clusters: dict[Label, Cluster] = Field(description="database clusters by name")
    roles: dict[RoleName, Role] = Field(default_factory=dict, description="who holds `operator` and `approver`")
    operations: dict[str, OperationRule] = Field(default_factory=dict, description="rules by name of the operation")
    approvals: Approvals = Field(default=Approvals(), description="rules by kind of what is asked")
    certificates: Certificates = Field(default=Certificates(), description="lifetimes")

    @model_validator(mode="after")
    def _consistent(self) -> Configuration:
        if "viewer" in self.roles:
            raise ValueError("roles.viewer: found a list, expected none: everybody of the workspace may look")
        homes: dict[tuple[str, str], str] = {}
        for name, cluster in self.clusters.items():
            if cluster.site not in self.sites:
                raise ValueError(f"clusters.{name}.site: found {cluster.site!r}, expected one of {sorted(self.sites)}")
            if cluster.namespace == self.sites[cluster.site].system_namespace:
                raise ValueError(
                    f"clusters.{name}.namespace: found {cluster.namespace!r}, which holds the CA keys of site "
                    f"{cluster.site}, expected a namespace of its own"
                )
            other = homes.setdefault((cluster.site, cluster.namespace), name)
            if other != name:
                raise ValueError(
                    f"clusters.{name}.namespace: found {cluster.namespace!r} which is {other}'s, "
                    "expected a namespace of its own (one database cluster per namespace)"
                )
        return self

    def ref(self, name: str) -> ClusterRef:
        """Return the reference of a cluster of this file.

        Raises:
            InvalidRequestError: No such cluster; the message lists those there are.
        """
        cluster = self.clusters.get(name)
        if cluster is None:
            known = ", ".join(sorted(self.clusters)) or "none"
            raise InvalidRequestError(
                "cluster.unknown", f"Found cluster {name!r}, expected one of: {known}.", hint="for example /crdb status"
            )
        return ClusterRef(site=cluster.site, namespace=cluster.namespace, cluster=name)

    def in_namespace(self, *, site: str, namespace: str) -> ClusterRef | None:
        """Return the cluster that lives in a namespace of a site, if one does."""
        for name, cluster in self.clusters.items():
            if (cluster.site, cluster.namespace) == (site, namespace):
                return self.ref(name)
        return None

    def channel_of(self, site: str) -> str:
        """Return the channel for what belongs to no cluster: the site's own, else that of its first cluster."""
        own = self.sites[site].channel
        return own or next((cluster.channel for cluster in self.clusters.values() if cluster.site == site), "")

    def spec(self, ref: ClusterRef, *, nodes: int | None, version: str | None, storage: str | None) -> ClusterSpec:
        """Return the spec of a first deploy: what was asked for, else this file's defaults.

        Raises:
            InvalidRequestError: More nodes than `max_nodes`.
        """
        cluster, site = self.clusters[ref.cluster], self.sites[ref.site]
        release = version or cluster.version
        wanted = cluster.nodes if nodes is None else nodes
        if wanted > cluster.max_nodes:
            raise InvalidRequestError(
                "deploy.too-many-nodes",
                f"Found nodes={wanted} for {ref.cluster}, expected at most {cluster.max_nodes}.",
                hint=f"for example nodes={cluster.nodes}; more needs max_nodes in crdbops.toml",
            )
        return ClusterSpec(
            nodes=wanted,
            version=release,
            storage=storage or cluster.storage,
            storage_class=cluster.storage_class,
            database_image=f"{self.images.database}:{release}",
            agent_image=self.images.agent,
            cpu=cluster.cpu,
            memory=cluster.memory,
            cluster_domain=site.cluster_domain,
            node_signer=site.node_signer,
            client_signer=site.client_signer,
        )

    def fingerprint(self) -> str:
        """Return the sha256 of the file's meaning, recorded with every operation."""
        return canonical_hash(self.model_dump(mode="json"))


def parse_configuration(text: str) -> Configuration:
    """Read the text of `crdbops.toml`.

    Raises:
        InvalidRequestError: Not TOML, an unknown key or a value out of its range; every fault is named.
    """
    try:
        return Configuration.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InvalidRequestError("configuration.invalid", f"crdbops.toml is not TOML: {error}") from error
    except ValidationError as error:
        said = (_fault(e["loc"], kind=e["type"], said=e["msg"], found=e["input"]) for e in error.errors())
        faults = "; ".join(fault for fault in said if fault)
        raise InvalidRequestError(
            "configuration.invalid", f"crdbops.toml: {faults}", hint="see docs/reference/configuration.md"
        ) from error


def _fault(where: Sequence[str | int], *, kind: str, said: str, found: Any) -> str:
    """Say one fault: which key, what was found and what was expected."""
    path = [str(part) for part in where if part != "[key]"]
    key = ".".join(path)
    if kind == "extra_forbidden":
        return f"{key}: found an unknown key, expected one of {', '.join(_known_keys(path[:-1]))}"
    if kind == "default_factory_not_called":
        return ""  # follows from another fault, which is named
    if kind == "missing":
        return f"{key}: found nothing, expected a value"
    if kind == "value_error":
        text = said.removeprefix("Value error, ")
        return f"{key}: {text}" if key else text
    expected = said.replace("Input should be", "expected")
    return f"{key}: found {found!r}, {expected}" if isinstance(found, str | int | float) else f"{key}: {expected}"


def _known_keys(path: Sequence[str]) -> list[str]:
    """Return the keys that stand at a place in the file."""
    of_cluster: dict[str, type[BaseModel]] = {"scale": Scales, "upgrade": Upgrades}
    tables: dict[str, type[BaseModel]] = {
        "sites": Site, "clusters": of_cluster.get("".join(path[2:]), Cluster),
        "roles": Role, "operations": OperationRule, "images": Images,
        "certificates": Certificates, "approvals": ApprovalRule if len(path) > 1 else Approvals,
    }  # fmt: skip
    model = tables[path[0]] if path else Configuration
    return sorted(model.model_fields)
