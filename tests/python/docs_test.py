"""The programs in docs/python.md and, where nbclient is installed, the notebook in examples/ run as they are."""

import os
import re
import shutil
import tempfile
import unittest
from pathlib import Path

SHARED = Path(os.environ.get("PIXELCLIP_SHARED", "../shared")).absolute()
WEIGHTS = SHARED / "golden/vit/model.pth"
ROOT = Path.cwd()

try:
    import nbclient
    import nbformat
except ImportError:
    nbclient = None


@unittest.skipUnless(WEIGHTS.exists(), "no ../shared folder here")
class Documentation(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.addCleanup(os.chdir, ROOT)
        os.chdir(folder.name)
        shutil.copy(WEIGHTS, "pixelclip_vit_base.pth")
        shutil.copytree(ROOT / "configs", ".", dirs_exist_ok=True)
        shutil.copy(sorted((SHARED / "data/sa1b_mini/images").rglob("*.jpg"))[0], "photo.jpg")

    def test_the_programs_on_the_page_run(self):
        text = (ROOT / "docs/python.md").read_text(encoding="utf-8")
        programs = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        self.assertGreater(len(programs), 3)
        names = {}
        for program in programs:
            exec(compile(program, "docs/python.md", "exec"), names)
        self.assertEqual(names["result"].names, ["dog, puppy", "grass", "background"])
        self.assertTrue(Path("overlay.png").stat().st_size > 0)

    @unittest.skipUnless(nbclient, "nbclient is not installed")
    def test_the_notebook_runs_and_shows_an_overlay(self):
        notebook = nbformat.read(ROOT / "examples/segment.ipynb", as_version=4)
        nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
        self.assertTrue(any("image/png" in output.get("data", {}) for output in outputs))


if __name__ == "__main__":
    unittest.main()
