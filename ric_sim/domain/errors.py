"""Every error Ricity raises on purpose.

RicityError
|- InvalidInput               the caller's data is unusable; never changes state
|  |- UnknownKey              a config key, service, node or policy that does not exist (suggests a near match)
|  |- OutOfRange              NaN, negative, overflowing or otherwise impossible amount
|  |- InvalidRoute            a path that does not connect, skips a stage, or uses a host as transit
|  |- OversizeMessage         more items or bytes than the interface takes
|  |- UnsupportedVersion      the two sides speak different protocol versions
|  |- UnsupportedMeasurement  a KPM name the node does not offer (lists those it does)
|  |- RefusedByRic            a registration or subscription the RIC does not admit (its cause says why)
|  |- CertificateUnusable     a certificate, key or CA that is missing, expired or does not fit the others
|  |- MalformedFile           a city or flow file that does not fit its schema
|  |- ConfigRefused           a configuration that a running xApp does not take; the old one holds
|  |- PolicyRatioRefused      RRMPolicyRatios that break their rules (dedicated <= min <= max, minima <= 100 % together)
|  |- WeightsMissing          a learned policy has no weights for a service
|  |- WeightsCorrupt          a weight file that is damaged
|  `- WeightsMismatch         a sound weight file for other features, another algorithm or another service
|- Conflict                   valid by itself, but not beside what already holds
|  |- FlowIdConflict          the flow id is committed with other contents
|  |- CityMismatch            two parts were started with different cities
|  |- DuplicateInstance       an xApp instance id that is already attached
|  |- RolloutUnderway         the xApp is being upgraded; one change of version at a time
|  |- TrialUnderway           an A/B test of the xApp decides between its versions
|  `- StageRefused            a version of a model cannot go from its stage to the one asked for
|- NotFound                   an id that names nothing
|  `- LogTrimmed              the store's log no longer holds the records asked for
|- AccessRefused              who asks may not have it
|  |- Unauthenticated         no identity, or one that nothing vouches for
|  `- PermissionDenied        a known identity outside its scope or role
|- StoreUnreachable           the store does not answer; whether state changed is unknown
|- StoreWentBack              the store lacks changes that it had acknowledged; nothing changed
|- StoreCorrupt               the store's content breaks an invariant
|- RicUnreachable             the RIC does not answer
|- RegistryUnavailable        files of a model registry cannot be read or written
|- RegistryCorrupt            the index of a model registry is damaged, or of another release
|- PartUnreachable            a part the console shows does not answer, or nobody said where it is
|- DriverUnavailable          what runs the xApps (container engine, cluster) does not answer
|- Overloaded                 a bounded queue is full
|- TrainingDiverged           a loss or gradient that is not finite
|- PolicyFailed               a learned policy's numbers overflowed: no decision can be had from it
|- DeploymentFailed           a process of the local deployment does not start, or keeps dying
`- AuditFailed                the log does not prove the invariants
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar, Literal

StateChanged = Literal["no", "yes", "unknown"]


class RicityError(Exception):
    """Base of all. `code` is stable and machine-readable; the message says what was wrong, what was expected, what to do."""

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False
    state_changed: ClassVar[StateChanged] = "no"


class InvalidInput(RicityError):
    code = "invalid_input"


class UnknownKey(InvalidInput):
    code = "unknown_key"

    def __init__(self, kind: str, key: object, known: Iterable[str]) -> None:
        """`kind` names what was looked up ("service", "profile", ...); `known` are the valid keys."""
        options = sorted(known)
        near = difflib.get_close_matches(str(key), options, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        super().__init__(f"unknown {kind} {key!r}: expected one of {', '.join(options) or '(none)'}{hint}")


class OutOfRange(InvalidInput):
    code = "out_of_range"


class InvalidRoute(InvalidInput):
    code = "invalid_route"


class OversizeMessage(InvalidInput):
    code = "oversize_message"


class UnsupportedVersion(InvalidInput):
    code = "unsupported_version"


class UnsupportedMeasurement(InvalidInput):
    code = "unsupported_measurement"


class RefusedByRic(InvalidInput):
    code = "refused_by_ric"


class MalformedFile(InvalidInput):
    code = "malformed_file"


class CertificateUnusable(InvalidInput):
    code = "certificate_unusable"


class PolicyRatioRefused(InvalidInput):
    code = "policy_ratio_refused"


class ConfigRefused(InvalidInput):
    code = "config_refused"


class WeightsMissing(InvalidInput):
    code = "weights_missing"


class WeightsCorrupt(InvalidInput):
    code = "weights_corrupt"


class WeightsMismatch(InvalidInput):
    code = "weights_mismatch"


class Conflict(RicityError):
    code = "conflict"


class FlowIdConflict(Conflict):
    code = "flow_id_conflict"


class CityMismatch(Conflict):
    code = "city_mismatch"


class DuplicateInstance(Conflict):
    code = "duplicate_instance"


class RolloutUnderway(Conflict):
    code = "rollout_underway"


class TrialUnderway(Conflict):
    code = "trial_underway"


class StageRefused(Conflict):
    code = "stage_refused"


class NotFound(RicityError):
    code = "not_found"


class LogTrimmed(NotFound):
    code = "log_trimmed"


class AccessRefused(RicityError):
    """Nothing was read or changed; asking again as somebody else may succeed."""

    code = "access_refused"


class Unauthenticated(AccessRefused):
    code = "unauthenticated"


class PermissionDenied(AccessRefused):
    code = "permission_denied"


class StoreUnreachable(RicityError):
    code = "store_unreachable"
    retryable = True
    state_changed = "unknown"


class StoreWentBack(RicityError):
    code = "store_went_back"
    retryable = True


class StoreCorrupt(RicityError):
    code = "store_corrupt"


class RicUnreachable(RicityError):
    code = "ric_unreachable"
    retryable = True


class PartUnreachable(RicityError):
    code = "part_unreachable"
    retryable = True


class RegistryUnavailable(RicityError):
    """The registry is whole: as it was, or as it was to become."""

    code = "registry_unavailable"
    retryable = True
    state_changed = "unknown"


class RegistryCorrupt(RicityError):
    code = "registry_corrupt"


class Overloaded(RicityError):
    code = "overloaded"
    retryable = True


class TrainingDiverged(RicityError):
    """The agent is as it was before the step that failed; its last checkpoint is good."""

    code = "training_diverged"


class PolicyFailed(RicityError):
    code = "policy_failed"


class DriverUnavailable(RicityError):
    code = "driver_unavailable"
    retryable = True
    state_changed = "unknown"


class DeploymentFailed(RicityError):
    code = "deployment_failed"


class AuditFailed(RicityError):
    code = "audit_failed"
