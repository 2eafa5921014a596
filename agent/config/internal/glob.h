// SPDX-License-Identifier: Apache-2.0
// Shell-like patterns over whole texts: * any run (slashes too), ? one character,
// [a-z] and [^a-z] classes, \x the character x. A malformed pattern matches nothing.
// Pure; thread-safe.
#pragma once

#include <string_view>

namespace agent::config::internal {

bool GlobMatch(std::string_view pattern, std::string_view text);

// `text` without the shortest or longest piece in front (or behind) that `pattern`
// matches. Pieces are one character at least and end between characters.
std::string_view TrimGlobPrefix(std::string_view text, std::string_view pattern, bool longest);
std::string_view TrimGlobSuffix(std::string_view text, std::string_view pattern, bool longest);

// Bytes of the UTF-8 character at the start of `text`; 1 for a stray byte, 0 at the end.
size_t CharLength(std::string_view text);

}  // namespace agent::config::internal
