# SPDX-License-Identifier: Apache-2.0
"""What profile.py and flame.py share: sampling with perf, and what a function is for."""
import re
import subprocess
import time

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


def purpose(text):
    return next((name for name, expression in PURPOSES if re.search(expression, text)), "other")


def record(process, out, frequency, threads, *more):
    """Samples a harness.Process until it ends. perf sees the threads that are there when
    it comes and no later ones, so it waits until there are so many."""
    while process.threads_now() < threads and process.alive():
        time.sleep(0.001)
    return subprocess.Popen(["perf", "record", "-q", "-e", "cpu-clock", "-F", str(frequency), "-p", str(process.pid),
                             "-o", str(out), *more], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
