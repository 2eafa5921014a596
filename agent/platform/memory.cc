// SPDX-License-Identifier: Apache-2.0
#include "agent/platform/memory.h"

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>  // says whether this is glibc

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace agent::platform {
namespace {

// Segments that may not be written are equal to their file, so nothing is lost. Those that
// were writable while they were relocated (RELRO) say so in their flags, and stay.
int ReturnCode(dl_phdr_info* object, size_t /*size*/, void* /*unused*/) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  for (uint16_t i = 0; i < object->dlpi_phnum; ++i) {
    const auto& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const uintptr_t begin = (object->dlpi_addr + segment.p_vaddr) / page * page;
    const uintptr_t end = (object->dlpi_addr + segment.p_vaddr + segment.p_filesz) / page * page;
    // Refused, it stays mapped: no harm.
    if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
  return 0;
}

}  // namespace

void ReturnFreeMemory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
  dl_iterate_phdr(&ReturnCode, nullptr);
}

}  // namespace agent::platform
