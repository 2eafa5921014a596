# SPDX-License-Identifier: Apache-2.0
"""What profile.py and flame.py share: sampling with perf, and what a function is for."""
import argparse
import re
import shutil
import subprocess
import time

import harness
import scenarios

AGENT_THREADS = 4  # main, io, net, a lane

# What a function is for: the first expression that its name or library matches.
PURPOSES = [
    ("compression", r"snappy"),
    ("regular expressions", r"libre2|re2::"),
    ("JSON", r"simdjson|agent::text::.*[Jj]son|JsonStage"),
    ("reading files", r"pread|vfs_read|copy_to|filemap|shmem|copy_page|generic_file_read|rep_movs|copy_user_generic_string"),
    ("sending", r"tcp_|__send|sock_|inet_|ip_|skb|libcurl|Curl_|loopback|net_rx|copy_from|csum|libssl|libcrypto"),
    ("framing lines", r"agent::frame|memchr|Framer"),
    ("stages", r"agent::stage|Stage"),
    ("batching and encoding", r"agent::batch|Batcher|memmove|memcpy"),
    ("labels", r"LabelInterner|agent::label"),
    ("the lane", r"agent::flow|Lane"),
    ("memory", r"malloc|free|page_fault|clear_page|memset|mmap|munmap|madvise"),
    ("kernel, other", r"\[k\]"),
]


def parse(description, size, add_more=lambda parser: None):
    """The command line of both; `size` in MiB. Refuses where there is no perf."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", nargs="?", default="cri", choices=list(scenarios.BY_NAME))
    parser.add_argument("--build", default=str(harness.ROOT / "build" / "release"))
    parser.add_argument("--agent")
    parser.add_argument("--size", type=int, default=size, help="MiB")
    parser.add_argument("--frequency", type=int, default=2000)
    parser.add_argument("--timeout", type=float, default=120)
    add_more(parser)
    args = parser.parse_args()
    args.size <<= 20
    args.programs = harness.Programs(args.build, args.agent)
    if not shutil.which("perf"):
        raise harness.Refused("perf is not installed (package linux-perf)")
    return args


def purpose(text):
    return next((name for name, expression in PURPOSES if re.search(expression, text)), "other")


def record(process, out, frequency, threads, *more):
    """Samples a harness.Process until it ends. perf sees the threads that are there when
    it comes and no later ones, so it waits until there are so many."""
    while process.threads_now() < threads and process.alive():
        time.sleep(0.001)
    return subprocess.Popen(["perf", "record", "-q", "-e", "cpu-clock", "-F", str(frequency), "-p", str(process.pid),
                             "-o", str(out), *more], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
