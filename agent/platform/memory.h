// SPDX-License-Identifier: Apache-2.0
// What the allocator keeps of freed memory, back to the system. Any thread; takes every
// lock of the allocator for about a millisecond, so: for quiet times.
#pragma once

namespace agent::platform {

void ReturnFreeMemory();

}  // namespace agent::platform
