// SPDX-License-Identifier: Apache-2.0
// What a look at the file system finds, on its way to a generation. Plain structs, io thread only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/platform/fs.h"
#include "agent/source/internal/generation.h"

namespace agent::source {

struct Start {  // of a generation
  std::shared_ptr<platform::File> file;
  platform::FileStat stat;
  std::string location;
  uint64_t offset = 0;
  Place place = Place::kCurrent;
  Packing packing = Packing::kPlain;
  Fingerprint head;         // of unpacked bytes, as far as known
  bool own_order = false;   // not after the chain's other generations
  uint64_t lane_chain = 0;            // TailedFile::chain, if not the chain's own
  std::shared_ptr<TailedFile> after;  // of another chain: read that first
};
struct Found {
  std::shared_ptr<platform::File> file;
  platform::FileStat stat;
  std::string path;
  Packing packing = Packing::kPlain;
};
struct Archive {
  bool readable = false;
  Fingerprint head;
  uint32_t size = 0;  // unpacked, modulo 2^32
  bool Holds(const Identity& identity, uint64_t plain_size) const;
};
struct Sibling {
  std::string name;
  std::string path;
  platform::FileStat stat;
  Packing packing = Packing::kPlain;
  std::shared_ptr<platform::File> file = nullptr;  // of those that are to be read
};

struct Recovery {
  const std::vector<SavedPosition>* saved = nullptr;  // all of the chain
  std::vector<std::pair<SavedPosition, Found>> found;
  std::vector<SavedPosition> gone;
  std::vector<Sibling> unknown;
};

}  // namespace agent::source
