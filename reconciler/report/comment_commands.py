"""What a comment asks for, and what we answer (contracts: G22, G23; a comment asks, it never approves).

Knows the text of comments; does not know who may ask what. The rule it keeps: only a new comment of a person asks, by
a line of plain text that begins with `/reconciler`, and only the first such line counts. Code, quotes, lists and hidden
text are none; a Markdown parser says what is, so that a comment never asks for what nobody sees it ask.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType

from markdown_it import MarkdownIt
from markdown_it.token import Token

from reconciler import catalogue
from reconciler.errors import ReconcilerError, hint_of
from reconciler.report.neutral import code, code_name
from reconciler.report.phrases import Locale
from reconciler.state.forge import Comment

WORD = "/reconciler"
LONGEST = 16_384  # characters; a longer comment asks nothing, since reading a part of it may show what the whole hides
MOST = 5  # commands of one person on one pull request in WINDOW
WINDOW = timedelta(minutes=1)  # by the forge's clock
_MARKDOWN = MarkdownIt("commonmark")


class Ask(StrEnum):
    """The commands. HELP is also the answer to what nobody understands."""

    HELP = "help"
    PREVIEW = "preview"
    HOLD = "hold"
    RESUME = "resume"
    CANCEL = "cancel"
    RETRY = "retry"
    EXPLAIN = "explain"


@dataclass(frozen=True, slots=True)
class Asked:
    """One command. `key` is a catalogue key, for EXPLAIN only; `unknown` is what was not understood, untrusted."""

    ask: Ask
    key: str = ""
    unknown: str = ""


def parse(comment: Comment) -> Asked | None:
    """What a comment asks, or None where it asks nothing: edited ones and those of bots never do."""
    if comment.edited or comment.author_is_bot or WORD not in comment.body or len(comment.body) > LONGEST:
        return None
    line = next(_commands(comment.body), None)
    return _asked(line) if line is not None else None


@dataclass(frozen=True, slots=True)
class Heard:
    """A comment that asks. `too_many`: it is the first one too many, and all that is done is to say so."""

    comment: Comment
    asked: Asked
    too_many: bool


def heard(comments: Iterable[Comment], who: Callable[[str], str | None]) -> Iterator[Heard]:
    """The comments of one pull request that ask, oldest first; those beyond the first one too many are left out.

    `who` names the person behind an account, None for a bot, which is not heard; accounts of nobody are one person.
    It depends on the comments alone: asked again, the same ones are too many.
    """
    times: defaultdict[str, list[datetime]] = defaultdict(list)
    for comment in sorted(comments, key=lambda one: one.created_at):
        asked = parse(comment)
        name = who(comment.author) if asked is not None else None
        if asked is None or name is None:
            continue
        lately = sum(comment.created_at - time < WINDOW for time in times[name])
        times[name].append(comment.created_at)
        if lately <= MOST:
            yield Heard(comment, asked, too_many=lately == MOST)


def _commands(body: str) -> Iterator[str]:
    """Lines of paragraphs that stand by themselves, begin with the word, and hold nothing but text."""
    for opening, token in pairwise(_MARKDOWN.parse(body)):
        if opening.type == "html_block" and "<details" in opening.content.lower():
            return  # what follows may be folded away
        if opening.type == "paragraph_open" and opening.level == 0:
            for line in _lines(token.children or []):
                text = "".join(part.content for part in line)
                if all(part.type == "text" for part in line) and text.split(maxsplit=1)[:1] == [WORD]:
                    yield text


def _lines(parts: Sequence[Token]) -> Iterator[list[Token]]:
    line: list[Token] = []
    for part in parts:
        if part.type in {"softbreak", "hardbreak"}:
            yield line
            line = []
        else:
            line.append(part)
    yield line


def _asked(line: str) -> Asked:
    words = line.split()[1:]
    match words:
        case [] | ["help"]:
            return Asked(Ask.HELP)
        case ["explain", key]:
            found = _key(key)
            return Asked(Ask.EXPLAIN, key=found) if found else Asked(Ask.HELP, unknown=line)
        case [word] if word in set(Ask) - {Ask.EXPLAIN}:
            return Asked(Ask(word))
        case _:
            return Asked(Ask.HELP, unknown=line)


def _key(text: str) -> str:
    """The catalogue key that a person means by a key or by its number, or an empty string."""
    return next((key for key, entry in catalogue.errors().items() if text in {key, str(entry.code)}), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """One language. The types see to it that every answer exists in both."""

    asks: Mapping[Ask, str]
    not_understood: str
    head: str
    done: Mapping[Ask, str]
    refused: str
    never_approves: str
    no_hint: str


ANSWERS: Mapping[Locale, Answers] = MappingProxyType(
    {
        Locale.EN: Answers(
            asks=MappingProxyType(
                {
                    Ask.HELP: "this list",
                    Ask.PREVIEW: "look at the targets again and renew the preview",
                    Ask.HOLD: "stop before the next step, for at most 24 hours; needs `apply` here",
                    Ask.RESUME: "go on after a hold; needs `apply` here",
                    Ask.CANCEL: "give up what has not begun; needs `apply` here",
                    Ask.RETRY: "try a failed apply again, three times for one approval; needs `apply` here",
                    Ask.EXPLAIN: "what an error key or code means and what to do",
                }
            ),
            not_understood="This was not understood: {text}",
            head="| Command | What it does |",
            done=MappingProxyType(
                {
                    Ask.PREVIEW: "Looking at the targets again; the preview above is renewed, or a new one follows.",
                    Ask.HOLD: "Held before the next step, for at most 24 hours. Go on with {resume}.",
                    Ask.RESUME: "Going on.",
                    Ask.CANCEL: "Cancelled what has not begun.",
                    Ask.RETRY: "Trying again with the same approved digest.",
                }
            ),
            refused="Not done: {error}. {hint}",
            never_approves="A comment asks; it never approves. Approving is a review, or `reconciler approve`.",
            no_hint="There is no hint for it yet.",
        ),
        Locale.ZH: Answers(
            asks=MappingProxyType(
                {
                    Ask.HELP: "本列表",
                    Ask.PREVIEW: "重新查看目标并续期预览",
                    Ask.HOLD: "在下一步之前暂停，最长 24 小时；需要此处的 `apply` 权限",
                    Ask.RESUME: "暂停后继续；需要此处的 `apply` 权限",
                    Ask.CANCEL: "放弃尚未开始的内容；需要此处的 `apply` 权限",
                    Ask.RETRY: "重试失败的执行，每次审批最多三次；需要此处的 `apply` 权限",
                    Ask.EXPLAIN: "解释错误键或错误码以及如何处理",
                }
            ),
            not_understood="无法理解：{text}",
            head="| 命令 | 作用 |",
            done=MappingProxyType(
                {
                    Ask.PREVIEW: "正在重新查看目标；上面的预览会续期，或给出新的预览。",
                    Ask.HOLD: "已在下一步之前暂停，最长 24 小时。继续请用 {resume}。",
                    Ask.RESUME: "继续执行。",
                    Ask.CANCEL: "已取消尚未开始的内容。",
                    Ask.RETRY: "以同一个已审批的摘要重试。",
                }
            ),
            refused="未执行：{error}。{hint}",
            never_approves="评论只能请求，不能审批。请通过评审或 `reconciler approve` 审批。",
            no_hint="暂无提示。",
        ),
    }
)


def answer(asked: Asked, locale: Locale = Locale.EN) -> str:
    """What we say to a command that was carried out, or that only asks for words."""
    words = ANSWERS[locale]
    match asked.ask:
        case Ask.HELP:
            unknown = [words.not_understood.format(text=code(asked.unknown)), ""] if asked.unknown else []
            rows = [f"| `{WORD} {ask}{' KEY' if ask is Ask.EXPLAIN else ''}` | {words.asks[ask]} |" for ask in Ask]
            return "\n".join([*unknown, words.head, "|:--|:--|", *rows, "", words.never_approves]) + "\n"
        case Ask.EXPLAIN:
            return explain(asked.key, locale) + "\n"
        case _:
            return words.done[asked.ask].format(resume=f"`{WORD} {Ask.RESUME}`") + "\n"


def explain(key: str, locale: Locale = Locale.EN) -> str:
    """What a catalogue key means, in Markdown."""
    entry = catalogue.errors()[key]
    said = [entry.note, hint_of(key, locale) or ("" if entry.note else ANSWERS[locale].no_hint)]
    return f"{code_name(key)} ({entry.code}): " + "; ".join(text for text in said if text)


def refusal(error: ReconcilerError, locale: Locale = Locale.EN) -> str:
    """What we say to a command that was not carried out."""
    shown = f"{code_name(error.key)} ({error.code}): {code(error.message)}"
    hint = code(error.own_hint) if error.own_hint else hint_of(error.key, locale)
    return ANSWERS[locale].refused.format(error=shown, hint=hint).rstrip() + "\n"
