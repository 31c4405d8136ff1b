#!/usr/bin/env python3
"""Writes src/text/unicode_tables.c: unicode_tables.py CLASSES.json > src/text/unicode_tables.c

CLASSES.json holds the character classes that the tokenizers library uses, measured code point by code point (key ->
inclusive ranges).  Python's unicodedata adds the two general categories that were not measured (No and Pc).
"""
import json
import sys
import unicodedata

# Flag names in the order of enum wc_char_class (unicode.h) and the keys they are made of.
CLASSES = [
    ("SPACE", "onig \\s"), ("LU", "onig \\p{Lu}"), ("LL", "onig \\p{Ll}"), ("LT", "onig \\p{Lt}"),
    ("LM", "onig \\p{Lm}"), ("LO", "onig \\p{Lo}"), ("M", "onig \\p{M}"), ("N", "onig \\p{N}"),
    ("P", "onig \\p{P}"), ("S", "onig \\p{S}"), ("WORD", None),
    ("NUMERIC", "rust char::is_numeric (Digits)"),
    ("BERT_PUNCT", "bert punctuation (BertPreTokenizer isolates)"),
    ("BERT_DROP", "bert clean_text removes"),
    ("BERT_MARK", "bert strip_accents removes (after NFD)"),
]
UNICODE_15_DECOMPOSED = [(0x1e030, 0x1e06d)]  # newer than Python's and the library's tables, known to utf8proc
PAGE, PAGED = 32, 0x20000  # characters of a page; below this one pages, from it on ranges
OTHER_ALPHABETIC = [(0x24b6, 0x24e9), (0x1f130, 0x1f149), (0x1f150, 0x1f169), (0x1f170, 0x1f189)]


def members(ranges):
    return {c for a, b in ranges for c in range(a, b + 1) if not 0xd800 <= c <= 0xdfff}


def word(data):
    """What \\w means to Rust's regex: Alphabetic, Mark, Decimal number, Connector punctuation, Join control."""
    s = members(data["onig \\p{L}"]) | members(data["onig \\p{M}"]) | members(OTHER_ALPHABETIC) | {0x200c, 0x200d}
    s |= {c for c in members(data["onig \\p{N}"]) if unicodedata.category(chr(c)) != "No"}
    return s | {c for c in range(0x110000) if unicodedata.category(chr(c)) == "Pc"}


def wrap(items):
    line = "   "
    for item in items:
        if len(line) + len(item) + 2 > 110:
            print(line)
            line = "   "
        line += " " + item + ","
    print(line)


def main():
    data = json.load(open(sys.argv[1]))
    flags = [0] * 0x110000
    for bit, (name, key) in enumerate(CLASSES):
        for c in word(data) if key is None else members(data[key]):
            flags[c] |= 1 << bit
    sets = sorted(set(flags))
    index = {f: i for i, f in enumerate(sets)}
    pages = [bytes(index[f] for f in flags[c:c + PAGE]) for c in range(0, PAGED, PAGE)]
    distinct = list(dict.fromkeys(pages))
    starts, last = [], None
    for c, f in enumerate(flags[PAGED:], PAGED):
        if f != last:
            starts.append("0x%x" % (c << 8 | index[f]))
            last = f
    plain = members(data["NFKD of one character differs from Unicode 14.0.0"])
    canonical = members(data["NFD of one character differs from Unicode 14.0.0"])
    plain |= members(UNICODE_15_DECOMPOSED)
    lower = data["lowercase differs from Python 14.0.0"]
    print("/* unicode_tables.c - made by tools/unicode_tables.py; see unicode.h.  Do not edit. */")
    print('#include "text/unicode.h"\n')
    print("/* Distinct sets of classes. */")
    print("const uint16_t wc_unicode_sets[] = {")
    wrap("0x%x" % f for f in sets)
    print("};\n")
    print("/* Classes of ASCII. */")
    print("const uint16_t wc_unicode_ascii[128] = {")
    wrap("0x%x" % f for f in flags[:128])
    print("};\n")
    print("/* Pages of 32 characters: for each its set. */")
    print("const unsigned char wc_unicode_pages[][32] = {")
    for page in distinct:
        print("    {" + ", ".join(map(str, page)) + "},")
    print("};\n")
    print("/* The page of c is that of c / 32. */")
    print("const uint16_t wc_unicode_page_of[] = {")
    places = {page: i for i, page in enumerate(distinct)}
    wrap(str(places[page]) for page in pages)
    print("};\n")
    print("/* Beyond the pages: first code point of a range << 8 | index of its set, rising. */")
    print("const uint32_t wc_unicode_ranges[] = {")
    wrap(starts)
    print("};")
    print("const size_t wc_unicode_n_ranges = %d;\n" % len(starts))
    print("/* Characters that the library's older tables do not decompose, neither canonically nor compatibly. */")
    print("const uint32_t wc_unicode_whole[] = {")
    wrap("0x%x" % c for c in sorted(plain | canonical))
    print("};")
    print("const size_t wc_unicode_n_whole = %d;\n" % len(plain | canonical))
    print("/* Lower case newer than utf8proc's: from, to. */")
    print("const uint32_t wc_unicode_lower[][2] = {")
    pairs = sorted((int(k, 16), v) for k, v in lower.items())
    wrap("{0x%x, 0x%x}" % (k, ord(v)) for k, v in pairs)
    print("};")
    print("const size_t wc_unicode_n_lower = %d;" % len(pairs))


main()
