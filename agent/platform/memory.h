// SPDX-License-Identifier: Apache-2.0
// Memory that this process holds and does not need, back to the system: what the allocator
// keeps of freed memory, and the mapped pages of programs and libraries, of which start-up
// reads far more than is used later (22 MiB of RSS become 13 with Debian's libraries). Code
// that is needed again is mapped again from the page cache, 64 KiB at a time.
// Any thread; takes every lock of the allocator for about a millisecond, so: for quiet times.
#pragma once

namespace agent::platform {

void ReturnFreeMemory();

}  // namespace agent::platform
