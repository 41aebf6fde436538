#!/usr/bin/env python3
"""Finds arrows that run up: `floors.py` looks at this checkout, `floors.py try` at made-up files that it has to see through.

A crate's modules stand on floors, the lowest first. Code of one may name its own and those of floors below: in `use` lines, in full paths,
and by names that the crate's root re-exports. Tests may name everything. What stands on no floor yet is not looked at, but may not be named
from one.
"""

import re
import sys
from pathlib import Path

# By crate: its floors, the lowest first. Modules of one floor do not name each other.
FLOORS = {
    "gpu/src": [
        ["arena", "clock", "fault", "rows", "sync"],
        ["frame", "names", "options", "shared"],
        ["ring", "words"],
        ["replies"],
        ["region"],
        ["mailboxes", "protocol"],
        ["cut", "tables"],
        ["engine"],
        ["worker"],
        ["keeper"],
        ["device"],
    ],
    "src": [
        ["trace", "who"],
        ["clock", "config", "fault"],
        ["error"],
        ["shard"],
        ["metrics"],
        ["device"],
        ["system"],
        ["actor"],
        ["checkpoint", "group", "guardian"],
        ["embed"],
    ],
}
# By crate: names of frameworks, and the modules that name them. Nobody else may; one that no longer does is taken out here.
FRAMEWORKS = {
    "src": (
        r"\b(ractor|actix)\b",
        {"embed"},
    ),
}
# By crate: folders of one framework, and names of the others, which nothing there may name.
APART = {
    "src": {
        "embed/ractor": r"\bactix\b",
        "embed/actix": r"\bractor\b",
    },
}


def code(text):
    """The text without comments, texts and characters, line by line as it was."""
    token = re.compile(
        r'//[^\n]*|/\*.*?\*/|b?r(#*)".*?"\1|b?"(?:\\.|[^"\\])*"|b?\'(?:\\.[^\']*|[^\\\'])\'|\'\w+', re.DOTALL
    )
    return token.sub(lambda found: "\n" * found.group().count("\n") or " ", text)


def without_tests(text):
    """The code without items that only tests have."""
    while found := re.search(r"#\[cfg\((?:all\()?test\b[^\]]*\]", text):
        end = re.compile(r"[{;]").search(text, found.end())
        if not end:
            return text[: found.start()]
        at = end.end()
        depth = int(end.group() == "{")
        while depth and at < len(text):
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            at += 1
        text = text[: found.start()] + "\n" * text[found.start() : at].count("\n") + text[at:]
    return text


def trees(tree):
    """The paths of a use tree: `a::{b, c::d as e}` is a::b and a::c::d."""
    tree = tree.strip()
    brace = tree.find("{")
    if brace < 0:
        return [re.sub(r"\s+as\s+\w+$", "", tree).strip()]
    head, depth, parts, part = tree[:brace], 0, [], ""
    for char in tree[brace + 1 : tree.rfind("}")]:
        depth += {"{": 1, "}": -1}.get(char, 0)
        if char == "," and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += char
    return [head + path for part in parts + [part] if part.strip() for path in trees(part)]


def paths(text, depth):
    """What code names of its crate, as (line, path from the root); `depth` is how far its module stands below the root."""
    found = []
    uses = re.compile(r"\buse\s+([^;]+);")
    for use in uses.finditer(text):
        line = text.count("\n", 0, use.start()) + 1
        found += [(line, path) for path in trees(re.sub(r"\s+", " ", use.group(1)))]
    rest = uses.sub(lambda use: "\n" * use.group().count("\n"), text)
    for path in re.finditer(r"(?<![\w:$])(?:crate|super)(?:\s*::\s*\w+)+", rest):
        found.append((rest.count("\n", 0, path.start()) + 1, re.sub(r"\s+", "", path.group())))
    for line, path in found:
        steps = [step.strip() for step in path.removeprefix("::").split("::")]
        up = next((n for n, step in enumerate(steps) if step != "super"), len(steps))
        if steps[0] == "crate":
            yield line, steps[1:]
        elif up and up >= depth:
            yield line, steps[up:]


def exports(text):
    """By name, which module the crate's root re-exports it of."""
    names = {}
    for use in re.finditer(r"\bpub(?:\(\w+\))?\s+use\s+([^;]+);", text):
        tree = re.sub(r"\s+", " ", use.group(1))
        for path in trees(tree):
            steps = [step for step in path.split("::") if step not in ("crate", "self")]
            if len(steps) > 1:
                names.setdefault(steps[-1].strip(), steps[0].strip())
        for path, alias in re.findall(r"([\w:]+)\s+as\s+(\w+)", tree):
            names[alias] = names.get(path.split("::")[-1], tree.split("::")[0])
    return names


def arrows(files, floors, frameworks=None, apart=None):
    """What is wrong in a crate's files, by path from its root folder: a line for each arrow that runs up."""
    level = {module: n for n, floor in enumerate(floors) for module in floor}
    root = exports(without_tests(code(files.get("lib.rs", ""))))
    modules = {Path(name).parts[0].removesuffix(".rs") for name in files}
    for name, text in sorted(files.items()):
        parts = Path(name).with_suffix("").parts
        module, text = parts[0], without_tests(code(text))
        if Path(name).stem == "tests" or module in ("lib", "main"):
            continue
        if frameworks and module not in frameworks[1]:
            for word in re.finditer(frameworks[0], text):
                yield f"{name}:{text.count(chr(10), 0, word.start()) + 1}: `{module}` names {word.group()}"
        for folder, others in (apart or {}).items():
            if Path(name).with_suffix("").is_relative_to(folder):
                for word in re.finditer(others, text):
                    yield f"{name}:{text.count(chr(10), 0, word.start()) + 1}: `{folder}` names {word.group()}"
        if module not in level:
            continue
        for line, steps in paths(text, len(parts)):
            to = steps[0] if steps else "*"
            to = root.get(to, to) if to not in modules else to
            if to == module or level.get(to, len(floors)) < level[module] or to not in modules and to != "*":
                continue
            stands = f"floor {level[to]}" if to in level else "no floor yet"
            yield f"{name}:{line}: `{module}` (floor {level[module]}) names `{to}` ({stands})"


def attempt():
    """Arrows of each way of writing them are seen, and nothing else is."""
    floors = [["low"], ["middle"], ["high"]]
    lib = "mod low;\nmod middle;\nmod high;\npub use high::{Top, deep::Other as Alias};\npub use low::Base;\npub mod prelude { pub use crate::{Base, Top}; }\n"
    wrong = [
        ("low.rs", "use crate::high::Thing;"),
        ("low/a.rs", "use crate::{low::b, middle::{self, X}};"),
        ("low.rs", "fn f() { crate::middle::go() }"),
        ("low.rs", "use super::high::Thing;"),
        ("low/a.rs", "use super::super::high;"),
        ("low.rs", "fn f(_: crate::Top) {}"),
        ("middle.rs", "use crate::Alias;"),
        ("middle.rs", "pub use crate::high::Thing as Mine;"),
        ("middle.rs", "use crate::apart;"),
        ("middle.rs", "use crate::*;"),
        ("middle.rs", "use ractor::Actor;"),
        ("high.rs", "#[cfg(test)]\nmod tests { }\nfn f() { ractor::spawn() }"),
        ("embed/one.rs", "use actix::Addr;"),
        ("embed/one/deep.rs", "fn f() { crate::embed::actix::go() }"),
    ]
    right = [
        ("high.rs", "use crate::{low, middle::X}; fn f() { crate::low::go(); super::middle::go() }"),
        ("low/a.rs", "use super::b; use crate::low::c;"),
        ("middle.rs", "use crate::Base;"),
        ("low.rs", "/// [`crate::high`] of ractor\nconst S: &str = \"crate::high ractor\";"),
        ("low.rs", "#[cfg(test)]\nmod tests { use crate::high::Thing; fn f() { { } } }"),
        ("embed/own.rs", "use ractor::Actor; use crate::high;"),
        ("embed/one.rs", "use ractor::Actor;"),
        ("embed/ones.rs", "use actix::Addr;"),
        ("apart.rs", "use crate::high;"),
    ]
    for cases, is_wrong in (wrong, True), (right, False):
        for name, text in cases:
            files = {"lib.rs": lib, "low.rs": "", "low/b.rs": "", "middle.rs": "", "high.rs": "", "apart.rs": "", "embed.rs": "", name: text}
            seen = list(arrows(files, floors + [["embed"]], (FRAMEWORKS["src"][0], {"embed"}), {"embed/one": r"\bactix\b"}))
            if bool(seen) != is_wrong:
                sys.exit(f"floors: {name} `{text}` should {'not ' * (not is_wrong)}be told; said: {seen}")
    print(f"floors: {len(wrong)} arrows seen, {len(right)} files let pass")


def main():
    if sys.argv[1:] == ["try"]:
        return attempt()
    top = Path(__file__).resolve().parent.parent
    wrong = []
    for crate, floors in FLOORS.items():
        files = {str(file.relative_to(top / crate)): file.read_text() for file in (top / crate).rglob("*.rs")}
        gone = [module for floor in floors for module in floor if f"{module}.rs" not in files]
        if gone:
            sys.exit(f"floors: {crate} has no {', '.join(gone)}; take it out of ci/floors.py")
        word, may = FRAMEWORKS.get(crate, ("", set()))
        named = {Path(name).parts[0].removesuffix(".rs") for name, text in files.items() if re.search(word, without_tests(code(text)))}
        if not may <= named:
            sys.exit(f"floors: {crate}: {', '.join(sorted(may - named))} names no framework any more; take it out of ci/floors.py")
        gone = [folder for folder in APART.get(crate, {}) if f"{folder}.rs" not in files]
        if gone:
            sys.exit(f"floors: {crate} has no {', '.join(gone)}; take it out of ci/floors.py")
        wrong += [f"{crate}/{arrow}" for arrow in arrows(files, floors, FRAMEWORKS.get(crate), APART.get(crate))]
        apart = {Path(name).parts[0].removesuffix(".rs") for name in files} - {m for floor in floors for m in floor} - {"lib"}
        left = f"; on none yet: {', '.join(sorted(apart))}" if apart else ""
        print(f"floors: {crate}: {' < '.join(' '.join(floor) for floor in floors)}{left}")
    if wrong:
        sys.exit("\n".join(wrong) + f"\nfloors: {len(wrong)} arrows run up; move what is named down, or hand it in from above")


main()
