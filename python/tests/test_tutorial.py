#!/usr/bin/env python3
"""docs/TUTORIAL.md runs, and what is public is documented: test_tutorial.py SOURCE [--write], with PYTHONPATH,
WHINCHAT_LIBRARY and WHINCHAT_MODELS set.

Every cell of Python is run in the order of the page, from SOURCE; what it prints is the block of text under it (--write puts
it there).  The last line is 'N passed, N failed'.
"""
import contextlib
import inspect
import io
import os
import re
import sys
import traceback
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests"))
from tally import check, finish  # noqa: E402

SOURCE = os.path.abspath(sys.argv[1])
PAGE = os.path.join(SOURCE, "docs", "TUTORIAL.md")
CELL = re.compile(r"```python\n(.*?)```\n```text\n(.*?)```\n", re.S)


def run_cells(page):
    """The page with what its cells print."""
    names = {"__name__": "__tutorial__"}

    def one(match):
        code, want = match.groups()
        heard = io.StringIO()
        line = page.count("\n", 0, match.start()) + 1
        try:
            with contextlib.redirect_stdout(heard):
                exec(compile("\n" * line + code, "docs/TUTORIAL.md", "exec"), names)
        except Exception:
            heard.write(traceback.format_exc())
        got = heard.getvalue()
        check("cell at line %d" % line, got == want or "--write" in sys.argv, "printed %r, the page says %r" % (got, want))
        return "```python\n%s```\n```text\n%s```\n" % (code, got)
    return CELL.sub(one, page)


def check_docstrings():
    """Each public name, and each method of a public class, says what it does."""
    import whinchat
    silent = []
    for name in whinchat.__all__:
        thing = getattr(whinchat, name)
        if not inspect.getdoc(thing):
            silent.append(name)
        for key, member in vars(thing).items() if inspect.isclass(thing) else ():
            if not key.startswith("_") and (inspect.isfunction(member) or isinstance(member, (property, classmethod))) \
                    and not inspect.getdoc(getattr(thing, key) if isinstance(member, classmethod) else member):
                silent.append("%s.%s" % (name, key))
    check("every public name has a docstring", not silent, silent)
    shaped = [whinchat.Model.logits, whinchat.Model.embed, whinchat.Model.tokenize, whinchat.Model.detokenize,
              whinchat.Tokenizer.encode, whinchat.Tokenizer.decode]
    check("arrays and ids have their shapes in it", all("[" in (inspect.getdoc(f) or "") for f in shaped))


warnings.simplefilter("ignore")
os.chdir(SOURCE)
with open(PAGE, encoding="utf-8") as f:
    text = f.read()
check("all cells are followed by what they print", len(CELL.findall(text)) == text.count("```python") > 8)
new = run_cells(text)
if "--write" in sys.argv:
    with open(PAGE, "w", encoding="utf-8") as f:
        f.write(new)
check_docstrings()
sys.exit(finish())
