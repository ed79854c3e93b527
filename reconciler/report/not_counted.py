"""What we say to somebody whose review or decision did not count: once, in words, so that they can do better (G13)."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from reconciler.approval.judgement import Ignored, Judgement, Why
from reconciler.report.neutral import code, code_name
from reconciler.report.phrases import Locale

# What the person can mend. A review of an older digest or head is told of by the new preview; a bot is not talked to.
ANSWERED = frozenset(
    {
        Why.TOO_EARLY,
        Why.FROM_THE_FUTURE,
        Why.UNQUOTED,
        Why.UNSIGNED,
        Why.UNREADABLE,
        Why.UNKNOWN_PERSON,
        Why.OTHER_PERSON,
        Why.SELF,
        Why.CONTRIBUTOR,
        Why.NO_ROLE,
        Why.NO_EMERGENCY,
    }
)
SENTENCES: Mapping[Locale, str] = MappingProxyType(
    {
        Locale.EN: "The verdict of {person} does not count here: {words}. ({key})",
        Locale.ZH: "{person} 的评审在此不计入：{words}。（{key}）",
    }
)


def answered(judgements: Mapping[str, Judgement]) -> Iterator[Ignored]:
    """What is to be answered of some plans of one ticket, each once."""
    found = {one.id: one for judgement in judgements.values() for one in judgement.ignored if one.why in ANSWERED}
    yield from found.values()


def not_counted(ignored: Ignored, locale: Locale = Locale.EN) -> str:
    """One sentence, in Markdown that nothing in it can break."""
    person, words = code(ignored.person), code(ignored.words)
    return SENTENCES[locale].format(person=person, words=words, key=code_name(ignored.key)) + "\n"
