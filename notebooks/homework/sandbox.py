"""Start a notebook's kernel where it can harm nobody: Jupyter runs this file instead of `ipykernel`.

Bubblewrap gives the kernel a file system of its own: the system and Python, read-only, an empty home in memory, and the
directory with its sockets. No network, no other process, none of the other submissions, and not the solutions either.
Limits on memory, on processes and on what it writes end it when it breaks them.

    python sandbox.py --report FILE [--memory GIB] [--seconds S] CONNECTION_FILE [kernel arguments]
"""

import argparse
import importlib.util
import os
from pathlib import Path
import shutil
import signal
import subprocess
import sys
import time

import psutil

HERE = Path(__file__).resolve().parent
KERNEL = ["-m", "ipykernel_launcher", f"--IPKernelApp.exec_files={HERE / 'given.py'}", "-f"]
GIB = 2**30
WRITTEN = 256 * 2**20  # bytes, in memory or through the sockets' directory
PROCESSES = 64
SYSTEM = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/sys/devices/system/cpu"]
ETC = [
    "alternatives",
    "fonts",
    "group",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "passwd",
]


def bubblewrap():
    """Return the path of bubblewrap, once it has started something.

    Returns:
        The path of `bwrap`.

    Raises:
        RuntimeError: If there is none or it may not run here.
    """
    found = shutil.which("bwrap")
    trial = [
        found,
        "--unshare-all",
        "--ro-bind",
        "/",
        "/",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "true",
    ]
    if found is None or subprocess.run(trial, capture_output=True).returncode:
        raise RuntimeError(
            "Grading needs bubblewrap, which runs each submission by itself without network: on Linux install the "
            "package `bubblewrap`, and allow unprivileged user namespaces. Without it, `--no-sandbox` runs students' "
            "code with YOUR rights, on your files and network: do that only on a machine that you can lose. "
            f"Received: bwrap={found!r}"
        )
    return found


def command(inner, writable=(), readable=()):
    """Return the command that runs `inner` in a sandbox.

    Args:
        inner: The command and its arguments.
        writable: Directories that it may write to.
        readable: Files and directories that it may read besides the system and Python.

    Returns:
        A list of strings for `subprocess`.
    """
    package = Path(importlib.util.find_spec("kerasopt").origin).parent
    visible = [*SYSTEM, *(f"/etc/{name}" for name in ETC), sys.base_prefix, sys.prefix, *readable]
    options = [
        "--unshare-all",
        "--die-with-parent",
        "--new-session",
        "--cap-drop",
        "ALL",
        "--clearenv",
    ]
    options += ["--proc", "/proc", "--dev", "/dev", "--size", str(WRITTEN), "--tmpfs", "/dev/shm"]
    options += ["--size", str(WRITTEN), "--tmpfs", "/tmp", "--dir", "/tmp/home"]
    for path in visible:
        if os.path.islink(path):
            options += ["--symlink", os.readlink(path), path]
        elif os.path.exists(path):
            options += ["--ro-bind", path, path]
    options += ["--ro-bind", str(package), "/package/kerasopt"]
    for path in writable:
        options += ["--bind", str(path), str(path)]
    options += ["--remount-ro", "/dev", "--remount-ro", "/"]
    settings = {
        "HOME": "/tmp/home",
        "LANG": "C.UTF-8",
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), "/usr/bin", "/bin"]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": "/package",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "KERASOPT_MNIST": os.environ.get("KERASOPT_MNIST", "synthetic"),
    }
    for name, value in settings.items():
        options += ["--setenv", name, value]
    return [bubblewrap(), *options, "--chdir", "/tmp/home", "--", *inner]


def written(folder):
    """Return what a folder holds, in bytes; an entry counts for a page at least, and a full folder is not read on.

    Args:
        folder: Its path.

    Returns:
        An integer.
    """
    total = 0
    for place, folders, files in os.walk(folder):
        for name in folders + files:
            try:
                total += 4096 + os.lstat(os.path.join(place, name)).st_blocks * 512
            except FileNotFoundError:
                continue
            if total > WRITTEN:
                return total
    return total


def breach(process, folder, memory, deadline):
    """Return which limit the sandbox has broken, or None.

    Args:
        process: The sandbox, a `psutil.Process`.
        folder: The directory that it can write to.
        memory: Limit of all its processes together, in bytes.
        deadline: Last moment, on `time.monotonic`'s clock.

    Returns:
        A few words, or None.
    """
    if time.monotonic() > deadline:
        return "the time limit"
    within = process.children(recursive=True)
    if len(within) > PROCESSES:
        return f"the limit of {PROCESSES} processes"
    resident = 0
    for one in within:
        try:
            resident += one.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    if resident > memory:
        return f"the limit of {memory / GIB:.0f} GiB of memory"
    return "the limit of what may be written" if written(folder) > WRITTEN else None


def main():
    """Run the kernel until it ends or breaks a limit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--memory", type=float, default=4.0, help="GiB, 4 by default")
    parser.add_argument("--seconds", type=float, default=600.0, help="of life, 600 by default")
    parser.add_argument(
        "--report", type=Path, required=True, help="file to say in which limit was broken"
    )
    parser.add_argument("connection_file", type=Path)
    options, rest = parser.parse_known_args()
    import resource  # not on Windows, which imports this file too

    memory = int(options.memory * GIB)
    for limit, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, WRITTEN),
        (resource.RLIMIT_DATA, memory),
    ):
        resource.setrlimit(limit, (value, value))
    folder = options.connection_file.parent
    data = os.environ.get("KERASOPT_MNIST", "synthetic")
    kernel = [sys.executable, *KERNEL, str(options.connection_file), *rest]
    readable = [str(HERE / "given.py"), *([] if data == "synthetic" else [data])]
    sandbox = subprocess.Popen(command(["nice", "-n", "10", *kernel], [folder], readable))
    signal.signal(signal.SIGTERM, lambda *_: sandbox.kill())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Interrupts reach the kernel as messages.
    started_by = os.getppid()
    process, deadline = psutil.Process(sandbox.pid), time.monotonic() + options.seconds
    while sandbox.poll() is None:
        time.sleep(0.1)
        try:
            reason = breach(process, folder, memory, deadline)
        except psutil.NoSuchProcess:
            break
        if reason or os.getppid() != started_by:
            sandbox.kill()
            if reason:
                options.report.write_text(reason)
    sys.exit(sandbox.wait())


if __name__ == "__main__":
    main()
