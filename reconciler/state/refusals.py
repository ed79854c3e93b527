"""What a person does about a refusal of the cluster's own rules: quotas, limits, pod security, admission webhooks.

Pure: an API server's words go in, or those of a workload whose pods it refuses. The rule it keeps: nothing of the words
is quoted here, for they may name values of an object.
"""

import re
from typing import Final

_QUOTA: Final = re.compile(r"\bexceeded quota: ")
_UNCOUNTED: Final = re.compile(r"\bfailed quota: [^:]{1,253}: must specify ")
_LIMITS: Final = re.compile(r"\b(?:maximum|minimum) \S{1,253} usage per |\blimit to request ratio per ")
_POD_SECURITY: Final = re.compile(r'\bviolates PodSecurity "')
_SILENT: Final = re.compile(r'\bfailed calling webhook "')
_NO_DRY_RUN: Final = re.compile(r'\badmission webhook "[^"]{1,200}" does not support dry run')

# What the API server answers with 403 as if it were a right that is missing, and is none.
_LIMITED_BY: Final = (_QUOTA, _UNCOUNTED, _LIMITS, _POD_SECURITY)

_ADVICE: Final = (
    (_QUOTA, "have the namespace's ResourceQuota raised, or ask for less"),
    (
        _UNCOUNTED,
        "say resources.requests and resources.limits in the source: the namespace's ResourceQuota counts them",
    ),
    (_LIMITS, "keep within the namespace's LimitRange, or have it changed"),
    (_POD_SECURITY, "correct securityContext in the source, or have the namespace's level changed"),
    (_SILENT, "see that the webhook answers: it is asked about this object, and nothing is let in until it does"),
    (
        _NO_DRY_RUN,
        "have its owner say sideEffects: None or NoneOnDryRun; until then nothing can be previewed",
    ),
)


def is_limit(words: str) -> bool:
    """Whether it is a limit of the namespace that refuses, and no missing right."""
    return any(pattern.search(words) for pattern in _LIMITED_BY)


def is_of_a_webhook(words: str) -> bool:
    """Whether a webhook was to be asked, and did not answer."""
    return _SILENT.search(words) is not None


def advice(words: str) -> str:
    """What to do about it; empty where nothing is known."""
    return next((told for pattern, told in _ADVICE if pattern.search(words)), "")


def with_advice(shown: str, words: str) -> str:
    """What is shown of the words, and what to do about them."""
    told = advice(words)
    return f"{shown}; {told}" if told else shown
