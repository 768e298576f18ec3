"""Every setting of a job with its default, its limits and its description; names end in the unit where there is one.

The help of the options and `configs/default.toml` are generated from these fields.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic evaluates it
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from pipeline.settings.deadline import checked_deadline, deadline_text
from pipeline.settings.given import OCTAL, Unset, UnsetPath, joined, parts, permissions, split
from pipeline.settings.layers import MONITORING_SECRETS, SECRETS
from pipeline.settings.urls import PLACEHOLDERS, api_url, monitoring_url

OUTPUT_SETTINGS = (
    *("formats", "timezone", "keep_replies", "replies", "csv_bom", "formula_guard", "batch_leads"),
    *("drop_columns", "hash_columns", "keep_columns"),
)
"""Settings that decide how answers become files; the others are about reading lists and making calls."""


def _credential(label: str, variable: str) -> Any:  # noqa: ANN401 - what pydantic's Field returns
    return Field(default=SecretStr(""), description=f"{label}; better set as {variable} in the environment")


Patterns = Annotated[tuple[str, ...], BeforeValidator(parts)]


def _monitor(description: str) -> Any:  # noqa: ANN401 - what pydantic's Field returns
    return Field(default=SecretStr(""), description=f"{description}; a secret")


class Fields(BaseModel):
    """The fields of `Settings`, and what their values may be."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)

    app_id: SecretStr = _credential("App id", "KARTRA_APP_ID")
    api_key: SecretStr = _credential("API key", "KARTRA_API_KEY")
    api_password: SecretStr = _credential("API password", "KARTRA_API_PASSWORD")
    api_url: str = Field(
        default="https://app.kartra.com/api", description="URL of the API; http:// is allowed on loopback only"
    )

    proxy: SecretStr = Field(
        default=SecretStr(""), description="URL of an HTTP proxy; if unset, HTTPS_PROXY and NO_PROXY apply"
    )
    ca_file: Annotated[Path | None, UnsetPath] = Field(
        default=None, description="PEM file of certificate authorities to trust in addition to the system's"
    )

    rate_per_s: float = Field(default=18.0, ge=0, le=10_000, description="Calls per second; 0 = no limit")
    concurrency: int = Field(default=0, ge=0, le=1_000, description="Maximum concurrent calls; 0 = automatic")
    share_pace: bool = Field(default=True, description="Share the rate with other processes here that use the same App")
    state_folder: Annotated[Path | None, UnsetPath] = Field(
        default=None, description="Folder of the file that shares the rate; if unset, lead-export in XDG_STATE_HOME"
    )
    throttle_patience_s: float = Field(
        default=900.0, ge=0, le=86_400, description="Seconds of 429 Too Many Requests before the run stops"
    )
    outage_patience_s: float = Field(
        default=900.0, ge=0, le=86_400, description="Seconds without a usable answer before the run stops"
    )
    connect_timeout_s: float = Field(default=10.0, gt=0, le=3_600, description="Seconds to connect to the server")
    read_timeout_s: float = Field(default=30.0, gt=0, le=3_600, description="Seconds to wait for more of an answer")
    total_timeout_s: float = Field(default=60.0, gt=0, le=3_600, description="Seconds for a whole call")
    max_reply_bytes: int = Field(default=8 * 1024 * 1024, ge=1_024, description="Bytes of the longest accepted answer")
    max_attempts: int = Field(default=5, ge=1, le=100, description="Calls for one address before it fails")
    retry_first_delay_s: float = Field(
        default=0.5, ge=0, le=3_600, description="Maximum seconds before the first retry"
    )
    retry_max_delay_s: float = Field(default=30.0, ge=0, le=3_600, description="Maximum seconds before any retry")

    deadline: Annotated[str | None, Unset, BeforeValidator(deadline_text)] = Field(
        default=None,
        description="Time of day (06:00), or instant with offset, when a run stops calling, and publishes",
    )
    max_calls: int = Field(
        default=0,
        ge=0,
        le=1_000_000_000,
        description="Calls that a run may send, retries and probes too, before it publishes; 0 = no limit",
    )

    accept_mismatch: bool = Field(
        default=False, description="Accept a lead whose address is not the one asked for, as when people change theirs"
    )

    email_column: Annotated[str | None, Unset] = Field(
        default=None, description="Name or number of the column with the addresses; detected if unset"
    )
    encoding: Annotated[str | None, Unset] = Field(
        default=None, description="Encoding of the lists, such as utf-8 or cp1252; detected if unset"
    )
    delimiter: Annotated[str | None, Unset] = Field(
        default=None, description="Field delimiter: a character, or comma, semicolon, tab or pipe; detected if unset"
    )
    quoting: Annotated[Literal["standard", "backslash", "none"] | None, Unset] = Field(
        default=None, description="Quotes in CSV and TSV lists: standard, backslash or none; detected if unset"
    )
    allow_empty: bool = Field(default=False, description="Accept lists without rows, and publish empty tables")
    min_rows: int = Field(
        default=0, ge=0, le=1_000_000_000, description="Distinct addresses that the lists must hold; 0 = any number"
    )
    max_shrink: float = Field(
        default=0.5, ge=0, le=1, description="Share of the addresses of the run before that may be missing; 1 = all"
    )
    max_gone_share: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Share of the leads asked for again that may be gone, over 20 of them; 1 = all",
    )
    changes_ignore: Annotated[tuple[str, ...], BeforeValidator(parts)] = Field(
        default=(), description="Columns whose changes are not published, such as leads.score, or patterns: tags.*"
    )
    formats: Annotated[tuple[Annotated[str, Field(pattern=r"^[a-z0-9]+$")], ...], BeforeValidator(split)] = Field(
        default=("parquet",), min_length=1, description="File formats of the tables: parquet, csv, tsv, xlsx"
    )
    timezone: Annotated[str | None, Unset] = Field(
        default=None,
        description="Time zone of the API's dates, such as EST, to convert them to UTC; unset = as given",
    )
    keep_replies: bool = Field(
        default=True, description="Keep the raw replies, so that the tables can be rebuilt; off is replies = none"
    )
    replies: Annotated[Literal["publish", "private", "none"] | None, Unset] = Field(
        default=None, description="Raw replies: publish with the tables (if unset), keep in DIR/.lead-export, or none"
    )
    drop_columns: Patterns = Field(
        default=(), description="Columns to leave out: leads.phone, *.ip, transactions, custom.NAME, …"
    )
    hash_columns: Patterns = Field(
        default=(), description="Columns to replace by keyed hashes, the same in all tables and runs; as drop_columns"
    )
    keep_columns: Patterns = Field(
        default=(), description="Columns of free text to keep while others are left out or hashed; as drop_columns"
    )
    csv_bom: Annotated[bool | None, Unset] = Field(
        default=None,
        description="Start CSV with a byte order mark; if unset, enrich does so for lists from Excel",
    )
    formula_guard: bool = Field(
        default=True, description="Put ' before CSV cells that a spreadsheet would run as a formula"
    )
    file_mode: str = Field(
        default="0600",
        pattern=OCTAL,
        description="Permissions of published files, as chmod takes them; 0640 lets the group read them",
    )
    folder_mode: str = Field(
        default="0700",
        pattern=OCTAL,
        description="Permissions of the folders of published runs; 0750 lets the group open them",
    )
    keep_runs: int = Field(
        default=0, ge=0, le=100_000, description="Published runs to keep; older ones are removed; 0 = all"
    )
    keep_days: float = Field(
        default=0, ge=0, le=36_500, description="Days to keep published runs; older ones are removed; 0 = for ever"
    )
    keep_replies_days: float = Field(
        default=0, ge=0, le=36_500, description="Days to keep the raw replies of published runs; 0 = as long as these"
    )
    keep_unfinished_days: float = Field(
        default=0, ge=0, le=36_500, description="Days to keep the answers of runs that nobody resumes; 0 = for ever"
    )
    keep_changes: int = Field(
        default=0,
        ge=0,
        le=100_000,
        description="Runs beyond keep_runs of which the manifest and the changes are kept; 0 = none",
    )
    unfinished: Literal["refuse", "replace"] = Field(
        default="refuse", description="What to do about an unfinished run of another App or API: refuse or replace"
    )
    max_age_days: int = Field(
        default=0,
        ge=0,
        le=3_650,
        description="Nights that answers of earlier runs are used for, and asked for again in turn; 0 = ask for all",
    )
    fresh_hours: float = Field(
        default=12.0, ge=0, le=8_760, description="Hours in which, with max_age_days, no address is asked for again"
    )
    resume_within_h: float = Field(
        default=24.0,
        gt=0,
        le=8_760,
        description="Hours from its start in which an unfinished run is resumed, and its answers count as new",
    )
    report: bool = Field(default=False, description="Publish an HTML report, report.html, with the tables of a run")
    batch_leads: int = Field(default=4_000, ge=1, le=100_000, description="Leads flattened and written at a time")

    workers: int = Field(
        default=0, ge=0, le=256, description="Processes that build tables; 0 = by cores and memory, 1 = no worker"
    )

    name: Annotated[str | None, Unset] = Field(
        default=None, max_length=100, description="Name of this export in monitoring; if unset, the output folder's"
    )
    max_failed_share: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Share of failed, pending and overdue rows, 0 to 1, that monitoring accepts",
    )
    ping_url: SecretStr = _monitor("URL of a check in Healthchecks, or in a service that has its protocol")
    ping_start_url: SecretStr = _monitor(f"URL to request when a run starts; {PLACEHOLDERS} are replaced")
    ping_success_url: SecretStr = _monitor("URL to request when a run has succeeded; as ping_start_url")
    ping_failure_url: SecretStr = _monitor("URL to request when a run has failed; as ping_start_url")
    metrics_file: Annotated[Path | None, UnsetPath] = Field(
        default=None, description="File of metrics for Prometheus' node_exporter, ending in .prom"
    )
    notify_urls: Annotated[SecretStr, BeforeValidator(joined)] = _monitor(
        "URLs of apprise to notify of failure and recovery, one or a list; needs the extra notify"
    )
    notify_webhook: SecretStr = _monitor("URL to which failure and recovery are posted as JSON")
    notify_again_after_h: float = Field(
        default=24.0,
        ge=0,
        le=8_760,
        description="Hours after which a failure that goes on is notified again; 0 = never",
    )
    progress_interval_s: float = Field(
        default=300.0, ge=0, le=86_400, description="Seconds between two lines about progress off a terminal; 0 = none"
    )

    privacy_key: SecretStr = Field(
        default=SecretStr(""), description="Key of hashes, as lead-export key new makes it; a secret"
    )
    privacy_key_file: Annotated[Path | None, UnsetPath] = Field(
        default=None, description="File that holds this key; keep it, and a copy of it, outside the output folder"
    )
    suppression_file: Annotated[Path | None, UnsetPath] = Field(
        default=None, description="Suppression list to heed in addition to that of the output folder, as for enrich"
    )

    @field_validator(*SECRETS)
    @classmethod
    def _stripped(cls, secret: SecretStr) -> SecretStr:
        """Remove the whitespace and line breaks that copying a credential brings along."""
        return SecretStr(secret.get_secret_value().strip())

    @field_validator("api_url")
    @classmethod
    def _is_api(cls, url: str) -> str:
        return api_url(url)

    @field_validator(*MONITORING_SECRETS)
    @classmethod
    def _is_for_monitoring(cls, secret: SecretStr, info: ValidationInfo) -> SecretStr:
        if info.field_name != "notify_urls":  # of many schemes, which apprise knows
            monitoring_url(secret.get_secret_value(), is_template=str(info.field_name).startswith("ping_"))
        return secret

    @field_validator("metrics_file")
    @classmethod
    def _is_read_by_node_exporter(cls, path: Path | None) -> Path | None:
        if path is not None and path.suffix != ".prom":
            raise ValueError("must end in .prom, or node_exporter does not read it")
        return path

    @field_validator("file_mode", "folder_mode")
    @classmethod
    def _is_for_owner_and_readers(cls, mode: str, info: ValidationInfo) -> str:
        return permissions(mode, of_folder=info.field_name == "folder_mode")

    @field_validator("deadline")
    @classmethod
    def _is_deadline(cls, text: str | None) -> str | None:
        return None if text is None else checked_deadline(text)

    @field_validator("timezone")
    @classmethod
    def _is_known_zone(cls, zone: str | None) -> str | None:
        if not zone:
            return None
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            raise ValueError("not a known time zone; use a name such as EST, UTC or America/New_York") from None
        return zone

    @field_validator("formats")
    @classmethod
    def _without_repeats(cls, formats: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(formats))
