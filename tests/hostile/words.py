"""What hostile input is made of: values of the wrong type, keys that mean something elsewhere, signs that hide."""

from typing import Any

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 10**30, -(2**63), 1e308, "", " ", "null", "no", "x" * 3000, [], {}, [[]], [None],
    {"": ""}, {"a": {"b": {"c": []}}}, ["a", "a"], "../../etc/passwd", "/etc/passwd", "-rf", "$(touch x)", "`id`",
    "${missing}", "${", "$${x}", "${a${b}}", "{{7*7}}", "{% x %}", "%s%n", "a\nb", "a\r\nb: c", "\t",
    "\u00e9", "\U0001f600", "http://169.254.169.254/latest", "file:///etc/passwd", "ssh://-oProxyCommand=x", "A" * 64,
    "a.b_c", "*", "&a", "!!x", "0x1F", "1_000", "22:22", "2001-01-01", "prod\u202euction", "a\u200bb", "\ud83d",
    "\x7f", "<script>", "<!-- x -->", ["-o", "x"], {"$ref": "#"}, {"<<": {}}, "1" * 400, [{}] * 50,
    {str(n): n for n in range(50)}, "=1+1", "'; DROP--",
)  # fmt: skip
KEYS: tuple[str, ...] = (
    "", " ", "<<", "*", "exec", "__class__", "model_config", "Metadata", "meta_data", "apiversion", "spec.x", "a/b",
    "a~b", "\u0456d", "na\u200bme", "environment ", "$schema", "x" * 500, "1", "true", "~", "kind", "labels",
    "password",
)  # fmt: skip
SCALARS: tuple[str, ...] = (
    "yes", "NO", "on", "Off", "y", "~", "null", "0777", "0o17", "0x1F", "0b11", "1_000", "22:22", "190:20:30", "1e3",
    "1.", ".5", ".inf", "-.INF", ".nan", "+1", "2001-01-01", "2001-12-14t21:59:43.10-05:00", "=", "<<", "9" * 5000,
    "1e99999", "-0", "0.1.2", "1,000", "@x", "`x`", "%x", "- x", "? x", "[", "]", "{", "}", "'", '"', "|", ">", "|+9",
    ">-0", "|\n", "*", "&", "!", "!!", "#", "a: b", "a #b", "\\x41", '"\\x41"', '"\\u0000"', '"\\ud800"', '"\\/"',
    '"\\q"', "''''", "\t", "[a, [b, {c: [", "{a, b: }", "[,]", "{a: 1, a: 2}", "!!int x", "!!bool x", "!!timestamp x",
    "!!float .", "[a]: b",
)  # fmt: skip
SIGNS: tuple[str, ...] = tuple(
    map(chr, [*range(0x20), 0x7F, 0x85, 0x9B, 0xA0, 0xAD, 0x61C, 0x115F, 0x180E, *range(0x200B, 0x2010), 0x2028, 0x2029,
              *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0x3164, 0xD800, 0xDFFF, 0xFE0F, 0xFEFF, 0xFFF9, 0xFFFE,
              0xFFFF, 0xE0001, 0xE0041, 0xE000, 0x10FFFF])
)  # fmt: skip
ESCAPES: tuple[str, ...] = (
    "\\0",
    "\\x1b[31m",
    "\\u202e",
    "\\uD800",
    "\\L",
    "\\N",
    "\\e]8;;x",
    "\\U0010FFFF",
    "\\ufeff",
)
PIECES: tuple[str, ...] = (
    "\n", "\n", "\n  ", "\n    ", "\n- ", "\n  - ", ": ", ": ", ":", "- ", "? ", "[", "]", "{", "}", ", ", "| ", "> ",
    "|-2\n", "'", '"', "&a ", "*a", "!!str ", "!x ", "# c\n", "---\n", "...\n", "%YAML 1.2\n", "<<: ", "a", "name",
    "spec", "kind", "metadata", "Release", "Host", "labels", "x-y", "1", "null", "true", "no", "~", "\t", "\\",
    "\u4e2d", "\u202e", "  ", "kind: Release\n", "metadata: {name: x}\n", "spec:\n  ", "environment: env-staging\n  ",
    "source: {path: hostile}\n",
)  # fmt: skip
