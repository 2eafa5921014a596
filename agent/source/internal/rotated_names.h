// SPDX-License-Identifier: Apache-2.0
// Names that rotation gives to files: `0.log.20240101-120000`, `app.log.1.gz`,
// `app.log-20240101`. A hint only; identity decides. Pure.
#pragma once

#include <string_view>

#include "agent/source/positions.h"

namespace agent::source {

// How a name's ending says that the file is packed, and the name without it.
Packing PackingOf(std::string_view name);
std::string_view WithoutPacking(std::string_view name);

// True if rotation may have made `name` out of `base`.
bool IsRotatedName(std::string_view base, std::string_view name);

// True if both are rotated names of one file.
bool AreRotatedAlike(std::string_view a, std::string_view b);
// True if a file that had the one name may have the other now.
bool MayBecome(std::string_view was, std::string_view is);

// True if `a` was rotated away before `b`; both are rotated names of `base`.
bool RotatedBefore(std::string_view base, std::string_view a, std::string_view b);

// Orders names as people do: 9.log before 10.log.
bool NaturalLess(std::string_view a, std::string_view b);

}  // namespace agent::source
