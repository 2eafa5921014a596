// SPDX-License-Identifier: Apache-2.0
// Writes small MaxMind databases for tests: IPv6 trees with 24-bit records, and data
// put together with the functions below. Names are added once per network.
// Source of the format: https://maxmind.github.io/MaxMind-DB/
#pragma once

#include <arpa/inet.h>

#include <array>
#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace agent::test {

// -- the data section's values --

inline std::string MmdbControl(unsigned type, size_t size) {
  std::string out;
  const size_t low = size < 29 ? size : 29;  // up to 284 bytes is enough for tests
  out.push_back(static_cast<char>(((type > 7 ? 0 : type) << 5) | low));
  if (type > 7) out.push_back(static_cast<char>(type - 7));
  if (low == 29) out.push_back(static_cast<char>(size - 29));
  return out;
}
inline std::string MmdbText(std::string_view text) { return MmdbControl(2, text.size()).append(text); }
inline std::string MmdbUnsigned(unsigned type, uint64_t value, size_t bytes) {
  std::string out = MmdbControl(type, bytes);
  for (size_t i = bytes; i-- > 0;) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}
inline std::string MmdbUint32(uint32_t value) { return MmdbUnsigned(6, value, 4); }
inline std::string MmdbUint16(uint16_t value) { return MmdbUnsigned(5, value, 2); }
inline std::string MmdbDouble(double value) { return MmdbUnsigned(3, std::bit_cast<uint64_t>(value), 8); }
inline std::string MmdbMap(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string out = MmdbControl(7, pairs.size());
  for (const auto& [key, value] : pairs) out += MmdbText(key) + value;
  return out;
}
inline std::string MmdbArray(const std::vector<std::string>& items) {
  std::string out = MmdbControl(11, items.size());
  for (const std::string& item : items) out += item;
  return out;
}

class MmdbWriter {
 public:
  // `network` is an address without its length; IPv4 goes where IPv6 trees have it.
  void Add(const std::string& network, int length, const std::string& data) {
    std::array<unsigned char, 16> bits{};
    if (inet_pton(AF_INET6, network.c_str(), bits.data()) != 1) {
      inet_pton(AF_INET, network.c_str(), bits.data() + 12);
      length += 96;
    }
    size_t node = 0;
    for (int i = 0; i < length; ++i) {
      const size_t side = (bits[static_cast<size_t>(i / 8)] >> (7 - i % 8)) & 1;
      if (i + 1 == length) {
        nodes_[node][side] = {Kind::kData, data_.size()};
      } else {
        if (nodes_[node][side].kind != Kind::kNode) {
          nodes_[node][side] = {Kind::kNode, nodes_.size()};
          nodes_.emplace_back();
        }
        node = nodes_[node][side].value;
      }
    }
    data_ += data;
  }

  std::string File(const std::string& type) const {
    std::string out;
    for (const auto& node : nodes_) {
      for (const Record& record : node) {
        const size_t value = record.kind == Kind::kNode   ? record.value
                             : record.kind == Kind::kData ? nodes_.size() + 16 + record.value
                                                          : nodes_.size();
        for (int shift = 16; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
      }
    }
    out.append(16, '\0').append(data_).append("\xAB\xCD\xEF" "MaxMind.com");
    return out + MmdbMap({{"node_count", MmdbUint32(static_cast<uint32_t>(nodes_.size()))},
                          {"record_size", MmdbUint16(24)},
                          {"ip_version", MmdbUint16(6)},
                          {"database_type", MmdbText(type)},
                          {"languages", MmdbArray({MmdbText("en")})},
                          {"binary_format_major_version", MmdbUint16(2)},
                          {"binary_format_minor_version", MmdbUint16(0)},
                          {"build_epoch", MmdbUnsigned(9, 1'700'000'000, 8)},
                          {"description", MmdbMap({{"en", MmdbText("made for a test")}})}});
  }

 private:
  enum class Kind { kNothing, kNode, kData };
  struct Record {
    Kind kind = Kind::kNothing;
    size_t value = 0;
  };
  std::vector<std::array<Record, 2>> nodes_{1};
  std::string data_;
};

}  // namespace agent::test
