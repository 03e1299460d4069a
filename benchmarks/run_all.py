"""Run all benchmarks, one after the other, and write what they print into benchmarks/RESULTS.md.

Run as `COLORIZATION_PHOTOS=FOLDER python benchmarks/run_all.py`, on a machine that does nothing else; without photos to
train on, `batch_size.py` is left out. Takes about half an hour on two cores. RESULTS.md has two parts: on a machine with
an NVIDIA GPU only the second is written anew, on others only the first. `run_all.py --trial FILE` writes the second part
of FILE on any machine, from benchmarks in small sizes, to see that they run.
"""
import os
import subprocess
import sys
from pathlib import Path

here = Path(__file__).parent
HEAD = "# Results\n\nWhat `COLORIZATION_PHOTOS=FOLDER python benchmarks/run_all.py` printed. Each table can be made again by the command above it.\n"
GPU_HEAD = "# Results on a GPU\n\nWhat `python benchmarks/run_all.py` printed on a machine with an NVIDIA GPU.\n"


def section(script: str, *arguments: str) -> str:
    "What `script` prints, under its first line."
    print(f"{script} …", flush=True)
    environment = os.environ | {"PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, here / f"{script}.py", *arguments], capture_output=True, encoding="utf-8", env=environment)
    if done.returncode:
        raise SystemExit(f"{script}.py failed:\n{done.stderr[-2000:]}")
    about = (here / f"{script}.py").read_text(encoding="utf-8").split('"""')[1].split("\n")[0]
    photos = "COLORIZATION_PHOTOS=FOLDER " if script == "batch_size" else ""
    return f"## {about}\n\n`{photos}python benchmarks/{script}.py`\n\n{done.stdout}"


def parts(text: str) -> tuple[str, str]:
    "The results of CPUs, and those of a GPU, '' where there are none yet."
    cpu, head, gpu = text.partition(GPU_HEAD.split("\n")[0] + "\n")
    return cpu.rstrip("\n") + "\n", head + gpu


def main() -> None:
    import torch

    trial = sys.argv[1:2] == ["--trial"]
    file = Path(sys.argv[2]) if trial else here / "RESULTS.md"
    cpu, gpu = parts(file.read_text(encoding="utf-8") if file.exists() else "")
    if trial or torch.cuda.is_available():
        gpu = "\n".join([GPU_HEAD, *(section(script, *sys.argv[1:2]) for script in ("gpu", "recipe"))])
    else:
        scripts = ["start", "loader", "training_step", "recipe", "large_photo", "many_photos", "film", "lessons"]
        if os.environ.get("COLORIZATION_PHOTOS"):
            scripts.append("batch_size")
        cpu = "\n".join([HEAD, *map(section, scripts)])
    file.write_text(f"{cpu}\n{gpu}" if gpu else cpu, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
