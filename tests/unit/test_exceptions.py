"""The public exceptions: where each of Ray's is, and that programs written for Ray's catch ours."""

from __future__ import annotations

import pickle
import re

import cellray as ray
import cellray.exceptions
import pytest
from cellray.errors import FAILURES, CellrayError, TaskError
from cellray.model.object import Failure, encode_failure

SAME = "the class of this name"
RAY: dict[str, str] = {
    "RayError": "CellrayError",
    "CrossLanguageError": "not here: there is one language",
    "TaskCancelledError": SAME,
    "RayTaskError": "TaskError",
    "LocalRayletDiedError": "SessionLostError",
    "WorkerCrashedError": SAME,
    "RayActorError": "ActorError",
    "ActorDiedError": SAME,
    "ActorUnavailableError": SAME,
    "RaySystemError": "InternalError",
    "AuthenticationError": "not here: no client speaks to a cluster with a token of its own",
    "UserCodeException": "not here: it belongs to Ray Data",
    "ObjectStoreFullError": SAME,
    "OutOfDiskError": SAME,
    "OutOfMemoryError": SAME,
    "NodeDiedError": SAME,
    "ObjectLostError": SAME,
    "ObjectFetchTimedOutError": "not here: nothing is fetched in one session",
    "RpcError": "not here: no call of a user crosses a network",
    "ReferenceCountingAssertionError": "not here: a bug of ours is an InternalError",
    "ObjectFreedError": SAME,
    "OwnerDiedError": SAME,
    "ObjectReconstructionFailedError": SAME,
    "GetTimeoutError": SAME,
    "PlasmaObjectNotAvailable": "not here: there is no plasma store",
    "AsyncioActorExit": SAME,
    "RuntimeEnvSetupError": SAME,
    "TaskPlacementGroupRemoved": SAME,
    "ActorPlacementGroupRemoved": SAME,
    "PendingCallsLimitExceeded": SAME,
    "TaskUnschedulableError": SAME,
    "ActorUnschedulableError": SAME,
    "ObjectRefStreamEndOfStreamError": "not here: a generator's end is StopIteration",
    "StreamingGeneratorReplayInconsistentError": "not here: what was read stays, whatever a retry yields",
    "OufOfBandObjectRefSerializationException": "not here: references may be pickled anywhere",
    "RayChannelError": "not here: it belongs to compiled graphs",
    "RayChannelTimeoutError": "not here: it belongs to compiled graphs",
    "RayCgraphCapacityExceeded": "not here: it belongs to compiled graphs",
    "RayDirectTransportError": "not here: it belongs to transport between GPUs",
    "UnserializableException": SAME,
    "ActorAlreadyExistsError": SAME,
    "ActorHandleNotFoundError": SAME,
}
"""All exception classes of ray.exceptions in Ray 2.60."""

BUILTIN_BASES = {
    "GetTimeoutError": TimeoutError,
    "ActorAlreadyExistsError": ValueError,
    "ActorHandleNotFoundError": ValueError,
    "ObjectStoreFullError": MemoryError,
    "SerializationError": TypeError,
}


@pytest.mark.parametrize(("name", "where"), RAY.items())
def test_each_of_rays_exceptions_is_here_or_has_a_reason_not_to_be(name: str, where: str) -> None:
    found = getattr(cellray.exceptions, name, None)
    if where.startswith("not here: "):
        assert found is None
        return
    assert found is not None
    assert issubclass(found, CellrayError)
    assert found.__name__ == (name if where == SAME else where)
    assert name in cellray.exceptions.__all__


def test_the_tree_at_the_top_of_the_file_is_the_tree() -> None:
    lines = [line for line in (cellray.errors.__doc__ or "").splitlines() if "──" in line]
    above = [CellrayError]
    drawn = set()
    for line in lines:
        branch, _, entry = line.partition("── ")
        error_class = getattr(cellray.errors, entry.split()[0])
        depth = len(branch) // 4
        del above[depth:]
        assert above[-1] in error_class.__bases__, error_class
        builtins = [base for base in error_class.__bases__ if base.__module__ == "builtins"]
        assert [base.__name__ for base in builtins] == re.findall(r"^\w+ +\((\w+)\)", entry), error_class
        above.append(error_class)
        drawn.add(error_class)
    classes = {each for each in vars(cellray.errors).values() if isinstance(each, type) and issubclass(each, Exception)}
    assert classes - drawn == {CellrayError}


@pytest.mark.parametrize(("name", "builtin"), BUILTIN_BASES.items())
def test_what_is_also_a_builtin_error(name: str, builtin: type) -> None:
    assert issubclass(getattr(cellray.exceptions, name), builtin)


@pytest.mark.parametrize(("kind", "error_class"), FAILURES.items())
def test_a_failure_becomes_its_class_with_its_facts_and_survives_pickling(
    kind: str, error_class: type[CellrayError]
) -> None:
    assert encode_failure(Failure(kind, "why")).is_error
    error = error_class("why it failed")
    error.__dict__.update(task_id="ab", object_id="cd", actor_id="ef")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is error_class
    assert str(copy) == "why it failed"
    assert vars(copy) == vars(error)


def test_attributes_under_rays_names() -> None:
    lost = ray.exceptions.ObjectLostError("gone")
    assert lost.object_ref_hex == ""
    lost.object_id = "ab"
    assert lost.object_ref_hex == "ab"
    died = ray.exceptions.RayActorError("it died")
    assert (died.actor_id, died.error_msg, died.actor_init_failed) == ("", "it died", False)
    cause = ValueError("bad seed")
    raised = ray.exceptions.RayTaskError("f", "00" * 16, "Traceback: ...", cause)
    assert (raised.function_name, raised.traceback_str, raised.cause) == ("f", "Traceback: ...", cause)


def test_programs_written_for_ray_catch_ours() -> None:
    with pytest.raises(ray.exceptions.RayTaskError) as caught:
        raise TaskError("f", "00" * 16, "Traceback: ...", KeyError("k")).as_instanceof_cause()
    assert isinstance(caught.value, KeyError)
    assert isinstance(caught.value, ray.exceptions.RayError)
