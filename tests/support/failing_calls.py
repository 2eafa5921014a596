#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a program for which some system calls fail:

    failing_calls.py inotify_add_watch=ENOSPC,fsync=ENOSPC PROGRAM ARGUMENT...

A seccomp filter does it, which needs no rights and no namespaces. It holds for the
program's whole life.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

CALLS = {
    "x86_64": {"fsync": 74, "fdatasync": 75, "inotify_init1": 294, "inotify_add_watch": 254},
    "aarch64": {"fsync": 82, "fdatasync": 83, "inotify_init1": 26, "inotify_add_watch": 27},
}
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, EQUALS, RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
ALLOW, FAIL = 0x7FFF0000, 0x00050000


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def install(wanted: dict[str, str]) -> None:
    numbers = CALLS[platform.machine()]
    code = struct.pack("HBBI", LOAD, 0, 0, 0)  # the number of the call
    for call, error in wanted.items():
        code += struct.pack("HBBI", EQUALS, 0, 1, numbers[call])
        code += struct.pack("HBBI", RETURN, 0, 0, FAIL | getattr(errno, error))
    code += struct.pack("HBBI", RETURN, 0, 0, ALLOW)
    libc = ctypes.CDLL(None, use_errno=True)
    program = Program(len(code) // 8, code)
    for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)):
        if libc.prctl(*arguments) != 0:
            sys.exit(f"prctl {arguments[0]}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    install(dict(pair.split("=") for pair in sys.argv[1].split(",")))
    os.execvp(sys.argv[2], sys.argv[2:])
