// SPDX-License-Identifier: Apache-2.0
#include "bench/sink/http_text.h"

#include <strings.h>

#include <charconv>

namespace bench {
namespace {

bool SameName(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool ReadRequestLine(std::string_view line, const char* base, RequestHead* head) {
  const auto span = [base](std::string_view text) {
    return RequestHead::Span{static_cast<uint32_t>(text.data() - base), static_cast<uint32_t>(text.size())};
  };
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || last <= first + 1) return false;
  const std::string_view version = line.substr(last + 1);
  if (!version.starts_with("HTTP/1.")) return false;
  head->close = version == "HTTP/1.0";
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const size_t question = target.find('?');
  head->method = span(line.substr(0, first));
  head->path = span(target.substr(0, question));
  if (question != std::string_view::npos) head->query = span(target.substr(question + 1));
  return true;
}

bool ReadHeader(std::string_view name, std::string_view value, const char* base, RequestHead* head) {
  struct Known {
    std::string_view name;
    RequestHead::Span RequestHead::*where;
  };
  static constexpr Known kKnown[] = {{"content-type", &RequestHead::content_type},
                                     {"content-encoding", &RequestHead::content_encoding},
                                     {"x-scope-orgid", &RequestHead::tenant},
                                     {"authorization", &RequestHead::authorization},
                                     {"user-agent", &RequestHead::user_agent}};
  for (const Known& known : kKnown) {
    if (SameName(name, known.name)) {
      head->*known.where = {static_cast<uint32_t>(value.data() - base), static_cast<uint32_t>(value.size())};
      return true;
    }
  }
  if (SameName(name, "content-length")) {
    const auto read = std::from_chars(value.data(), value.data() + value.size(), head->content_length);
    return read.ec == std::errc{} && read.ptr == value.data() + value.size();
  }
  if (SameName(name, "transfer-encoding")) {
    head->chunked = SameName(value, "chunked");
    return head->chunked;
  }
  if (SameName(name, "connection")) head->close = SameName(value, "close");
  if (SameName(name, "expect")) head->expect_continue = SameName(value, "100-continue");
  return true;
}

}  // namespace

Request RequestHead::View(const char* buffer, std::string_view body) const {
  const auto view = [buffer](Span span) { return std::string_view(buffer + span.at, span.size); };
  return {.method = view(method),
          .path = view(path),
          .query = view(query),
          .content_type = view(content_type),
          .content_encoding = view(content_encoding),
          .tenant = view(tenant),
          .authorization = view(authorization),
          .user_agent = view(user_agent),
          .body = body};
}

bool ReadHead(std::string_view text, RequestHead* head) {
  const char* const base = text.data();
  bool first = true;
  while (!text.empty()) {
    const size_t end = text.find("\r\n");
    if (end == std::string_view::npos) return false;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 2);
    if (first) {
      if (!ReadRequestLine(line, base, head)) return false;
      first = false;
      continue;
    }
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return false;
    if (!ReadHeader(line.substr(0, colon), Trim(line.substr(colon + 1)), base, head)) return false;
  }
  return !first;
}

size_t Unchunk(std::string_view text, std::string* body) {
  const size_t whole = text.size();
  while (true) {
    const size_t end = text.find("\r\n");
    if (end == std::string_view::npos) return text.size() > 64 ? kChunksBroken : kChunksIncomplete;
    uint64_t size = 0;
    const auto read = std::from_chars(text.data(), text.data() + end, size, 16);
    if (read.ec != std::errc{} || size > (uint64_t{1} << 40)) return kChunksBroken;
    text.remove_prefix(end + 2);
    if (size == 0) {  // trailers, then an empty line
      while (true) {
        const size_t line = text.find("\r\n");
        if (line == std::string_view::npos) return kChunksIncomplete;
        text.remove_prefix(line + 2);
        if (line == 0) return whole - text.size();
      }
    }
    if (text.size() < size + 2) return kChunksIncomplete;
    body->append(text.substr(0, size));
    if (text.substr(size, 2) != "\r\n") return kChunksBroken;
    text.remove_prefix(size + 2);
  }
}

std::string_view StatusText(int status) {
  switch (status) {
    case 200: return "OK";
    case 204: return "No Content";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 413: return "Request Entity Too Large";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return "Status";
  }
}

std::string FormatAnswer(const Answer& answer, bool close) {
  std::string out = "HTTP/1.1 " + std::to_string(answer.status) + " ";
  out += StatusText(answer.status);
  out += "\r\n";
  if (answer.status != 204) {
    out += "Content-Type: " + answer.type + "\r\nContent-Length: " + std::to_string(answer.body.size()) + "\r\n";
  }
  out += answer.headers;
  if (close) out += "Connection: close\r\n";
  out += "\r\n";
  if (answer.status != 204) out += answer.body;
  return out;
}

}  // namespace bench
