"""README against the tree: the commands that it names exist, and so do the files."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "hardware" / "README.md"]
README = PAGES[0].read_text(encoding="utf-8")


def spoken_code(text: str) -> list[str]:
    """What stands between backticks, in a line or in a block."""
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    return blocks + re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


# What the commands on a page read and write in the reader's own folder.
OF_THE_READER = {"day1.csv", "day2.csv", "loop.toml", "new.toml"}


def test_every_make_target_that_readme_names_exists():
    named = set(re.findall(r"^(?:\$ )?make ([a-z]+)", "\n".join(spoken_code(README)), re.MULTILINE))
    targets = set(re.findall(r"^([a-z]+):.* ## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"run", "test"} <= named <= targets


def test_every_path_that_a_page_names_exists():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        # Rooms are named with a slash, files with their suffix; a path starts at the top or beside its page.
        paths = [
            word for code in spoken_code(text) for word in code.split() if re.fullmatch(r"[\w./-]+(/|\.\w{2,4})", word)
        ]
        paths += [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
        assert paths
        missing = [
            path
            for path in set(paths) - OF_THE_READER
            if not (ROOT / path).exists() and not (page.parent / path).exists()
        ]
        assert not missing, page.name
