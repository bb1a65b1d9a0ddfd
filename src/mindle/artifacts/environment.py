"""Which machine and which libraries a run was made with."""

from __future__ import annotations

import os
import platform
import sys
from contextlib import suppress
from pathlib import Path

LIBRARIES = ("numpy", "onnx", "onnxruntime", "openvino", "pillow", "scikit-learn", "scipy", "timm", "torch")


def libraries() -> dict[str, str]:
    """Versions of what the numbers depend on, without importing any of it."""
    from importlib.metadata import PackageNotFoundError, version  # a sixth of what NumPy takes to load

    found = {}
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def hardware() -> dict[str, str | int]:
    """Processor, cores and system, as far as the system says."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "processor": processor(),
        "cores": os.cpu_count() or 1,
        "python": platform.python_version(),
    }


def usable_cores() -> int:
    """How many cores this process may use: those it is tied to, and no more than its container is granted.

    Source:
        cpu.max: Control Group v2, https://docs.kernel.org/admin-guide/cgroup-v2.html.

    Example:
        >>> 1 <= usable_cores() <= os.cpu_count()
        True
    """
    tied = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(tied, *map(_granted, _groups())))


_GROUPS, _OWN_GROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def _groups() -> list[Path]:
    """The control group of this process and those around it."""
    with suppress(OSError):
        for line in _OWN_GROUP.read_text(encoding="utf-8").splitlines():
            if line.startswith("0::"):
                own = _GROUPS / line.removeprefix("0::").strip("/")
                return [each for each in (own, *own.parents) if each.is_relative_to(_GROUPS)]
    return [_GROUPS]


def _granted(group: Path) -> int:
    """Cores that a control group grants, rounded up; more than there are where it sets no limit."""
    with suppress(OSError, ValueError):
        quota, period = (group / "cpu.max").read_text(encoding="ascii").split()
        return -(-int(quota) // int(period))
    return 1 << 20


def release_memory() -> None:
    """Give blocks that were freed back to the system; glibc keeps those of less than some megabytes.

    Source: malloc_trim(3), Linux manual pages.

    Example:
        >>> release_memory()
    """
    import ctypes

    if sys.platform.startswith("linux") and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)


_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_memory_bytes() -> int:
    """The most memory the process has held, since its start or `reset_peak_memory`; 0 where unknown.

    Source:
        VmHWM: proc_pid_status(5), Linux manual pages.

    Example:
        >>> peak_memory_bytes() >= 0
        True
    """
    if _STATUS.is_file():
        for line in _STATUS.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return 0
    import resource

    # macOS counts bytes, other systems kilobytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def reset_peak_memory() -> None:
    """Let `peak_memory_bytes` count from now on, where the system can (Linux).

    Source:
        The value 5: proc_pid_clear_refs(5), Linux manual pages.
    """
    with suppress(OSError):
        _CLEAR.write_text("5", encoding="ascii")


def processor() -> str:
    """The processor's trade name; Linux keeps it where `platform` does not look."""
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
