"""Values, arguments, functions and exceptions as bytes and back."""

from cellray.serialization.arguments import (
    STORED_ARGUMENTS,
    deserialize_arguments,
    serialize_arguments,
)
from cellray.serialization.differences import difference_of_bytes, first_difference, has_unordered
from cellray.serialization.exception import deserialize_exception, serialize_exception
from cellray.serialization.function import deserialize_function, serialize_function
from cellray.serialization.references import ReferenceSeam, collect_references, reference_seam
from cellray.serialization.value import Serialized, deserialize, serialize, serialize_plain

__all__ = [
    "STORED_ARGUMENTS",
    "ReferenceSeam",
    "Serialized",
    "collect_references",
    "deserialize",
    "deserialize_arguments",
    "deserialize_exception",
    "deserialize_function",
    "difference_of_bytes",
    "first_difference",
    "has_unordered",
    "reference_seam",
    "serialize",
    "serialize_arguments",
    "serialize_exception",
    "serialize_function",
    "serialize_plain",
]
