"""From the bytes of a message to its text (MSH-18, HL7 table 0211)."""

from typing import Final

from interconnect.hl7.rejected import MessageRejected

UTF_8: Final = "utf-8"

# ASCII, the default, is read as UTF-8: it is a subset. The ISO IR sets are switched by ISO 2022 escape sequences.
CODECS: Final = {
    "": UTF_8,
    "ASCII": UTF_8,
    "ISO IR6": UTF_8,
    "UNICODE": UTF_8,
    "UNICODE UTF-8": UTF_8,
    "UTF-8": UTF_8,
    **{f"8859/{part}": f"iso8859_{part}" for part in (*range(1, 10), 15)},
    **dict.fromkeys(("ISO IR13", "ISO IR14", "ISO IR87", "ISO IR159"), "iso2022_jp_ext"),
    "GB 18030-2000": "gb18030",
    "KS X 1001": "euc_kr",
    "BIG-5": "big5",
}


def codec_of(msh_18: str, repetition_separator: str) -> str | None:
    """Return the codec of MSH-18, None when table 0211 or Python does not have it.

    A repeated MSH-18 names sets that ISO 2022 switches between; the last one implies those before it.
    """
    sets = msh_18.split(repetition_separator) if repetition_separator else [msh_18]
    return CODECS.get(sets[-1].strip().upper())


def decode(raw: bytes, codec: str | None, fallback: str | None) -> tuple[str, str, bool]:
    """Return the text, the codec it was in, and whether that is only the fallback's guess; nothing is ever dropped.

    Tried are the declared codec, strict UTF-8, then the fallback, if there is one.
    """
    for candidate in (codec, UTF_8, fallback):
        if candidate:
            try:
                return raw.decode(candidate), candidate, candidate not in (codec, UTF_8)
            except UnicodeDecodeError:
                continue
    raise MessageRejected(
        "bad-charset", "The bytes are neither in the declared character set nor UTF-8", path="MSH-18", code="102"
    )
