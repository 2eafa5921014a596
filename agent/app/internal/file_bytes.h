// SPDX-License-Identifier: Apache-2.0
// Bytes for the dry run: a file read in place, or standard input read as it comes.
#pragma once

#include <memory>
#include <string>

#include "agent/core/result.h"
#include "agent/model/tailed_file.h"

namespace agent::app {

// "-" is standard input. Its bytes are kept until they are consumed.
Result<std::unique_ptr<ByteSource>> OpenForDryRun(const std::string& path);

}  // namespace agent::app
