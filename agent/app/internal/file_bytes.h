// SPDX-License-Identifier: Apache-2.0
// Bytes for the dry run and for -stdin: a file read in place, or standard input.
#pragma once

#include <memory>
#include <string>

#include "agent/core/result.h"
#include "agent/model/tailed_file.h"

namespace agent::app {

// "-" is standard input. Its bytes are kept until they are consumed.
Result<std::unique_ptr<ByteSource>> OpenForDryRun(const std::string& path);

// Standard input, never waited for: a read finds what is there now.
std::unique_ptr<ByteSource> OpenStdin();
// Has what OpenStdin made been read to its end?
bool StdinEnded(const ByteSource& stdin_bytes);

}  // namespace agent::app
