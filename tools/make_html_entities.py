#!/usr/bin/env python3
"""Writes src/text/html_entities.inc from Python's copy of HTML 5's named character references."""
import html
import pathlib
import textwrap

OUT = pathlib.Path(__file__).parent.parent / "src/text/html_entities.inc"


def literal(name, comment, words):
    lines = textwrap.wrap(" ".join(words), 94, break_on_hyphens=False)
    body = "\n".join(f'    "{line} "' for line in lines)
    return f"// {comment}\nconstexpr const char* {name} =\n{body};\n"


full = {k[:-1]: v for k, v in html.entities.html5.items() if k.endswith(";")}
bare = [k for k in html.entities.html5 if not k.endswith(";")]
pairs = [f"{k} {'+'.join(f'{ord(c):X}' for c in v)}" for k, v in sorted(full.items())]
OUT.write_text(
    "// Made by tools/make_html_entities.py.\n\n"
    + literal("kEntities", "Name and code points (hexadecimal) of each named reference.", pairs)
    + "\n"
    + literal("kBareEntities", "Those that are also known without a semicolon.", sorted(bare))
)
