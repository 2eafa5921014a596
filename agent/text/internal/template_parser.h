// SPDX-License-Identifier: Apache-2.0
// From the source of a template to its tree, with Go's rules on what is one.
// Pure. Nesting is limited, so hostile sources do not exhaust the stack.
#pragma once

#include <memory>

#include "agent/core/result.h"
#include "agent/text/internal/template_lexer.h"
#include "agent/text/internal/template_tree.h"

namespace agent::text::tmpl {

Result<std::unique_ptr<const Tree>> Parse(std::string_view source);

// A quoted Go string or character constant; false if an escape is wrong.
bool Unquote(std::string_view quoted, std::string& out);
// An integer constant with Go's prefixes and underscores.
enum class Whole { kNo, kYes, kTooLarge };
Whole ParseInteger(std::string_view text, int64_t& out);
// A Go number constant (decimal, hexadecimal, octal, binary, character excluded).
bool ParseNumber(std::string_view text, Number& out);

}  // namespace agent::text::tmpl
