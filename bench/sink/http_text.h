// SPDX-License-Identifier: Apache-2.0
// The text of HTTP/1.1: reading a request's head, undoing chunks, writing an answer.
// Pure functions; format: RFC 9112.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bench/sink/server.h"

namespace bench {

// What a head says. Texts are kept as offsets, since the buffer they came from grows.
struct RequestHead {
  struct Span {
    uint32_t at = 0, size = 0;
  };
  Span method, path, query, content_type, content_encoding, tenant, authorization, user_agent;
  uint64_t content_length = 0;
  bool chunked = false;
  bool close = false;
  bool expect_continue = false;

  // REQUIRES: `buffer` starts with the bytes that were read.
  Request View(const char* buffer, std::string_view body) const;
};

// `text` is everything up to and with the last header's CRLF. False: malformed.
bool ReadHead(std::string_view text, RequestHead* head);

inline constexpr size_t kChunksIncomplete = static_cast<size_t>(-1);
inline constexpr size_t kChunksBroken = static_cast<size_t>(-2);
// Appends the decoded body; returns the bytes that the coded one takes.
size_t Unchunk(std::string_view text, std::string* body);

std::string FormatAnswer(const Answer& answer, bool close);
std::string_view StatusText(int status);

}  // namespace bench
