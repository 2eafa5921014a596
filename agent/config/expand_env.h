// SPDX-License-Identifier: Apache-2.0
// `${...}` in a configuration's text, as Promtail's -config.expand-env replaces it
// (its library is drone/envsubst; checked against that library, see the table in
// tests/config/expand_env_test.cc). Works on text before YAML sees it, comments
// included; a bare $NAME is left alone.
//
//   ${V}                      the value; unset and empty are the same
//   ${V:-d} ${V:=d} ${V=d}    the value, or d if it is empty (nothing is assigned)
//   ${V:?d} ${V:+d}           the same: not an error, and not the shell's inverse
//   ${#V}                     its length in bytes
//   ${V^} ${V^^} ${V,} ${V,,} first letter or all in upper or lower case
//   ${V:p} ${V:p:n}           n bytes from p; a negative p counts from the end
//   ${V#g} ${V##g} ${V%g} ${V%%g}  without the shortest or longest glob in front, behind
//   ${V/a/b} ${V//a/b} ${V/#a/b} ${V/%a/b}  a replaced by b: once, always, in front, behind
//   $${ is a literal ${,  \\ is \,  \/ is /
//
// d and the other arguments may themselves hold `${...}`. Where the library merely
// stumbles, this is lenient: a prefix or suffix may be replaced by nothing, [a-z] works
// behind % too, ? takes a whole UTF-8 character, a bad length takes nothing.
// Pure; thread-safe. Cost: linear, but quadratic in the value for globs.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "agent/core/diagnostics.h"

namespace agent::config {

// The value of a variable, or nothing if it is unset.
using EnvLookup = std::function<std::optional<std::string>(std::string_view name)>;

EnvLookup ProcessEnvironment();

// The expanded text, or nothing after one error in `diagnostics` (at the first
// malformed `${`, named by `file_name` and its line).
std::optional<std::string> ExpandEnv(std::string_view text, const std::string& file_name, const EnvLookup& lookup,
                                     Diagnostics& diagnostics);

}  // namespace agent::config
