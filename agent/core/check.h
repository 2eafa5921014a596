// SPDX-License-Identifier: Apache-2.0
// Broken invariants stop the program: positions make the next start safe, and an
// unknown state must not go on. CHECK is always on, DCHECK only without NDEBUG.
#pragma once

namespace agent {
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition, const char* message);
}

#define CHECK(condition, message) \
  (static_cast<bool>(condition) ? void() : ::agent::CheckFailed(__FILE__, __LINE__, #condition, message))

#ifdef NDEBUG
#define DCHECK(condition, message) void()
#else
#define DCHECK(condition, message) CHECK(condition, message)
#endif
