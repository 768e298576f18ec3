from pathlib import Path

import pytest
from sandbox_client import sandbox

from pipeline.sandbox.samples import Sample, readme, samples, write

FOLDER = Path(__file__).parents[2] / "data" / "replies"


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.file)
async def test_a_file_holds_what_the_sandbox_answers(sample: Sample) -> None:
    """Files never go stale: the address in the README gets the bytes in the file."""
    async with sandbox() as client:
        answer = await client.ask(sample.address)
    assert (FOLDER / sample.file).read_bytes() == answer.body


def test_the_readme_lists_every_file() -> None:
    """What is in the folder is what is written there, and the list is up to date."""
    files = {path.name for path in FOLDER.iterdir()}
    assert files == {sample.file for sample in samples()} | {"README.md"}
    assert (FOLDER / "README.md").read_text(encoding="utf-8") == readme()


def test_the_folder_can_be_written_anew(tmp_path: Path) -> None:
    """Writing gives the same files, byte for byte."""
    write(tmp_path / "replies")
    written = {path.name: path.read_bytes() for path in (tmp_path / "replies").iterdir()}
    assert written == {path.name: path.read_bytes() for path in FOLDER.iterdir()}
