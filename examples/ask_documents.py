#!/usr/bin/env python3
"""Questions about your own documents, without a network: ask_documents.py FOLDER QUESTION

An encoder makes a vector of every passage of the Markdown and text files in FOLDER; they are kept in documents.db, and made
anew where a file has changed. The passages nearest to the question go to a small model, which answers; their files and lines
are named. 'whinchat index' and 'whinchat ask' do the same with more care. Needs numpy, and the models of './dev models'.
"""
import argparse
import hashlib
import pathlib
import re
import sqlite3
import sys

import numpy as np

from whinchat import SentenceTransformer, pipeline

SCHEMA = """
CREATE TABLE IF NOT EXISTS files(path TEXT PRIMARY KEY, sha256 TEXT);
CREATE TABLE IF NOT EXISTS passages(path TEXT, line INTEGER, text TEXT, vector BLOB);
"""
INSTRUCTION = "You answer questions with the given text only, in one or two sentences."


def passages(text, tokens, most=96):
    """(line, text) of each passage: lines under one heading, of at most so many tokens with the headings above them, up to
    the end of a paragraph where there is one in the second half."""
    headings, lines = {}, []  # lines: (number, line)

    def passage(some):
        return some[0][0], "\n".join([" > ".join(headings.values())] + [line for _, line in some]).strip()

    for number, line in enumerate(text.splitlines(), 1):
        heading = re.match(r"(#+) +(.+)", line)
        if lines and not heading and tokens(passage(lines + [(number, line)])[1]) > most:
            ends = [i for i, (_, before) in enumerate(lines) if not before.strip() and i > len(lines) / 2]
            cut = ends[-1] if ends else len(lines)
            yield passage(lines[:cut])
            lines = lines[cut + 1:]
        if heading:
            if lines:
                yield passage(lines)
            lines = []
            level = len(heading[1])
            headings = {**{k: v for k, v in headings.items() if k < level}, level: heading[2]}
        elif lines or line.strip():
            lines.append((number, line))
    if lines:
        yield passage(lines)


def index(db, folder, encoder):
    """Reads what has changed in the folder, and forgets what is gone."""
    known, seen = dict(db.execute("SELECT path, sha256 FROM files")), set()
    for path in sorted(p for p in folder.rglob("*") if p.suffix in (".md", ".txt", ".rst") and p.is_file()):
        data = path.read_bytes()
        name, digest = str(path), hashlib.sha256(data).hexdigest()
        seen.add(name)
        if known.get(name) == digest:
            continue
        found = list(passages(data.decode(errors="replace"), lambda t: len(encoder.tokenizer.encode(t))))
        vectors = encoder.encode([text for _, text in found], normalize_embeddings=True) if found else []
        with db:  # a transaction: a file is in as a whole or not at all
            forget(db, name)
            db.execute("INSERT INTO files VALUES(?, ?)", (name, digest))
            db.executemany("INSERT INTO passages VALUES(?, ?, ?, ?)",
                           [(name, line, text, np.asarray(v, "<f4").tobytes()) for (line, text), v in zip(found, vectors)])
    with db:
        for name in set(known) - seen:
            forget(db, name)


def forget(db, name):
    db.execute("DELETE FROM passages WHERE path = ?", (name,))
    db.execute("DELETE FROM files WHERE path = ?", (name,))


def nearest(db, question, encoder, n):
    """(cosine, path, line, text) of the n passages nearest to the question, best first."""
    rows = db.execute("SELECT path, line, text, vector FROM passages").fetchall()
    if not rows:
        sys.exit("ask_documents: there is no text in the folder")
    vectors = np.stack([np.frombuffer(row[3], "<f4") for row in rows])
    scores = vectors @ np.asarray(encoder.encode(question, normalize_embeddings=True), "f4")
    return [(float(scores[i]), *rows[i][:3]) for i in np.argsort(-scores)[:n]]


def main():
    parser = argparse.ArgumentParser(description="Questions about the documents in a folder.")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("question")
    parser.add_argument("--db", default="documents.db")
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--top", type=int, default=3)
    a = parser.parse_args()

    db = sqlite3.connect(a.db)
    db.executescript(SCHEMA)
    encoder = SentenceTransformer(a.encoder)
    index(db, a.folder, encoder)
    best = nearest(db, a.question, encoder, a.top)

    # A model as small as SmolLM2 reads the best passage only; several confuse it.
    chat = [{"role": "system", "content": INSTRUCTION},
            {"role": "user", "content": "Text:\n%s\n\nQuestion: %s" % (best[0][3], a.question)}]
    answer = pipeline("text-generation", model=a.model)
    print(answer(chat, max_new_tokens=128, return_full_text=False)[0]["generated_text"].split("\n\n")[0])
    print("\nSources:")
    for score, path, line, _ in best:
        print("%s:%d  %.2f" % (path, line, score))


if __name__ == "__main__":
    main()
