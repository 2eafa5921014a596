// SPDX-License-Identifier: Apache-2.0
// Reading protobuf's wire format by hand, one field at a time. Pure.
// Format: protobuf.dev/programming-guides/encoding.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace bench {

struct WireField {
  uint32_t number = 0;
  uint32_t type = 0;       // 0 varint, 1 fixed64, 2 bytes, 5 fixed32
  uint64_t value = 0;      // varint and fixed
  std::string_view bytes;  // type 2
  std::string_view whole;  // tag and all
};

inline bool ReadVarint(std::string_view* in, uint64_t* value) {
  uint64_t result = 0;
  for (size_t i = 0; i < in->size() && i < 10; ++i) {
    const auto byte = static_cast<unsigned char>((*in)[i]);
    result |= static_cast<uint64_t>(byte & 0x7F) << (7 * i);
    if (byte < 0x80) {
      in->remove_prefix(i + 1);
      *value = result;
      return true;
    }
  }
  return false;
}

// Takes one field off the front of a non-empty message. False: malformed.
inline bool ReadField(std::string_view* in, WireField* field) {
  const char* const start = in->data();
  uint64_t tag = 0;
  if (!ReadVarint(in, &tag)) return false;
  field->number = static_cast<uint32_t>(tag >> 3);
  field->type = static_cast<uint32_t>(tag & 7);
  const auto fixed = [&](size_t size) {
    if (in->size() < size) return false;
    field->value = 0;
    std::memcpy(&field->value, in->data(), size);
    in->remove_prefix(size);
    return true;
  };
  bool good = false;
  if (field->type == 0) {
    good = ReadVarint(in, &field->value);
  } else if (field->type == 2) {
    uint64_t size = 0;
    good = ReadVarint(in, &size) && size <= in->size();
    if (good) {
      field->bytes = in->substr(0, size);
      in->remove_prefix(size);
    }
  } else if (field->type == 1) {
    good = fixed(8);
  } else if (field->type == 5) {
    good = fixed(4);
  }
  field->whole = std::string_view(start, static_cast<size_t>(in->data() - start));
  return good && field->number != 0;
}

}  // namespace bench
