"""Builds the wheel: scikit-build-core compiles and packs, auditwheel adds the libraries that the build needs.
LibTorch and CUDA stay outside; the wheel depends on the torch that it was built with and finds it beside itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from auditwheel.wheeltools import InWheel
from scikit_build_core._compat import tomllib
from scikit_build_core import build as scikit
from scikit_build_core.build import (  # noqa: F401
    build_editable,
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
)

# Of LibTorch and CUDA, whose packages the wheel depends on.
OUTSIDE = ["libtorch*.so", "libc10*.so"]


def torch_folder() -> Path:
    """The torch that is compiled against: $PIXELCLIP_TORCH_DIR, that of the Python that builds, or the one of
    tools/setup.sh where it is for the same Python."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    places = [
        Path(os.environ.get("PIXELCLIP_TORCH_DIR") or sysconfig.get_path("purelib"), ""),
        Path(f".deps/venv/lib/{version}/site-packages").absolute(),
    ]
    for place in places:
        for folder in (place, place / "torch"):
            if (folder / "version.py").is_file() and (folder / "lib" / "libtorch_python.so").is_file():
                return folder
    raise SystemExit(
        f"pixelclip: torch was not found in {' or '.join(map(str, places))}: "
        "pip install torch==2.11.0 before the build, or name its folder in PIXELCLIP_TORCH_DIR"
    )


def torch_version() -> str:
    text = (torch_folder() / "version.py").read_text()
    return re.search(r"__version__ = '([^'+]+)", text).group(1)


def dynamic_metadata(field: str, settings: dict[str, object] | None = None, *others: object) -> list[str]:
    """The dependencies in the wheel's metadata, as scikit-build-core asks for them."""
    return [f"torch=={torch_version()}", "numpy", "pillow"]


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """The setting `prebuilt` names a configured build folder, which is then built and packed as it is."""
    settings = {"cmake.define.PIXELCLIP_TORCH_DIR": str(torch_folder()), **(config_settings or {})}
    prebuilt = settings.pop("prebuilt", None)
    if prebuilt:
        tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
        platform = sysconfig.get_platform().replace("-", "_")
        settings |= {"wheel.cmake": "false", "wheel.platlib": "true", "wheel.tags": f"{tag}-{tag}-{platform}"}
    else:
        install_packages()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = folder / scikit.build_wheel(name, settings, metadata_directory)
        if prebuilt:
            add_build(Path(prebuilt).absolute(), wheel)
        libraries = [make_glx(folder), *set_run_paths(wheel)]
        env = {**os.environ, "LD_LIBRARY_PATH": ":".join([*libraries, os.environ.get("LD_LIBRARY_PATH", "")])}
        command = [sys.executable, "-m", "auditwheel", "repair", "--wheel-dir", str(folder / "repaired")]
        for pattern in OUTSIDE:
            command += ["--exclude", pattern]
        subprocess.run([*command, str(wheel)], check=True, env=env)
        (repaired,) = (folder / "repaired").glob("*.whl")
        shutil.move(repaired, Path(wheel_directory) / repaired.name)
        return repaired.name


def install_packages() -> None:
    """Debian packages and CLIP's byte pairs. pip's own paths do not hold for the Python of the system."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run(["sh", "tools/setup.sh", "-p"], check=True, env=env)


def add_build(build: Path, wheel: Path) -> None:
    """Adds what scikit-build-core would install from a build of its own."""
    with open("pyproject.toml", "rb") as file:
        chosen = tomllib.load(file)["tool"]["scikit-build"]
    subprocess.run(["cmake", "--build", build, "--target", *chosen["build"]["targets"]], check=True)
    with InWheel(wheel, wheel):
        for component in chosen["install"]["components"]:
            command = ["cmake", "--install", build, "--strip", "--prefix", "pixelclip", "--component", component]
            subprocess.run(command, check=True)


def set_run_paths(wheel: Path) -> list[str]:
    """Lets each program and library of the wheel find the torch package beside it, wherever that is. Returns the
    folders of libraries that they were built with."""
    folders: list[str] = []
    with InWheel(wheel, wheel):  # unpacked, in the working folder
        for file in sorted(Path("pixelclip").rglob("*")):
            if not file.is_file() or file.open("rb").read(4) != b"\x7fELF":
                continue
            found = subprocess.check_output(["patchelf", "--print-rpath", file], text=True).strip()
            folders += [path for path in found.split(":") if path and path not in folders]
            up = "../" * (len(file.parts) - 1)
            subprocess.run(["patchelf", "--set-rpath", f"$ORIGIN/{up}torch/lib", file], check=True)
    return folders


def make_glx(folder: Path) -> str:
    """Makes a library in place of libGLX.so.0 and returns its folder. OpenCV's core looks up OpenGL through three
    functions of GLX, which nothing here calls; the real ones need X11, which servers lack."""
    library = folder / "glx" / "libGLX.so.0"
    library.parent.mkdir()
    source = folder / "glx.c"
    names = ["glXGetCurrentContext", "glXGetCurrentDisplay", "glXGetProcAddressARB"]
    source.write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in names))
    compiler = os.environ.get("CC", "cc")
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-Wl,-soname,libGLX.so.0", "-o", str(library), str(source)], check=True
    )
    return str(library.parent)
