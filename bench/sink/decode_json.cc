// SPDX-License-Identifier: Apache-2.0
// Loki's JSON push body and its label text: the slow roads of the sink.
#include <simdjson.h>

#include <charconv>

#include "bench/common/json.h"
#include "bench/sink/decode.h"
#include "bench/sink/wire.h"

namespace bench {
namespace {

void AppendVarint(std::string* out, uint64_t value) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

void AppendBytes(std::string* out, char tag, std::string_view bytes) {
  out->push_back(tag);
  AppendVarint(out, bytes.size());
  out->append(bytes);
}

// {"a":"b"} as the raw LabelPair fields that a protobuf entry would carry.
std::string MetadataOf(simdjson::dom::object object) {
  std::string raw;
  for (const auto [name, value] : object) {
    std::string pair;
    AppendBytes(&pair, 0x0A, name);
    AppendBytes(&pair, 0x12, value.is_string() ? std::string_view(value) : "?");
    AppendBytes(&raw, 0x1A, pair);
  }
  return raw;
}

}  // namespace

// REQUIRES of simdjson: errors are asked for, exceptions stay inside this function.
std::string PushDecoder::DecodeJson(std::string_view text) try {
  static simdjson::dom::parser parser;
  const simdjson::dom::element root = parser.parse(text.data(), text.size());
  const simdjson::dom::array items = root["streams"];
  for (const simdjson::dom::element item : items) {
    std::string labels = "{";
    const simdjson::dom::object names = item["stream"];  // named: a loop over a temporary's value dangles
    for (const auto [name, value] : names) {
      if (labels.size() > 1) labels += ", ";
      labels += std::string(name) + "=";
      AppendJsonString(&labels, std::string_view(value));
    }
    kept_.push_back(labels + "}");
    StreamView& stream = NextStream({});
    const size_t labels_at = kept_.size() - 1;
    const simdjson::dom::array values = item["values"];
    for (const simdjson::dom::element value : values) {
      const simdjson::dom::array parts = value.get_array();
      EntryView entry;
      const std::string_view time = parts.at(0);
      const auto read = std::from_chars(time.data(), time.data() + time.size(), entry.nanos);
      if (read.ec != std::errc{}) return "a timestamp is no number of nanoseconds: " + std::string(time);
      entry.line = parts.at(1);
      if (parts.size() > 2) {
        kept_.push_back(MetadataOf(parts.at(2)));
        entry.metadata = kept_.back();
      }
      stream.entries.push_back(entry);
    }
    stream.labels = kept_[labels_at];
  }
  return {};
} catch (const simdjson::simdjson_error& error) {
  return std::string("the JSON body: ") + error.what();
}

void ReadMetadata(std::string_view raw, const std::function<void(std::string_view, std::string_view)>& visit) {
  WireField pair, part;
  while (!raw.empty() && ReadField(&raw, &pair)) {
    if (pair.number != 3) continue;
    std::string_view name, value, rest = pair.bytes;
    while (!rest.empty() && ReadField(&rest, &part)) (part.number == 1 ? name : value) = part.bytes;
    visit(name, value);
  }
}

namespace {

// Go's strconv.Quote, undone as far as label values need it.
bool Unquote(std::string_view* text, std::string* out) {
  if (text->empty() || text->front() != '"') return false;
  text->remove_prefix(1);
  while (!text->empty()) {
    const char c = text->front();
    text->remove_prefix(1);
    if (c == '"') return true;
    if (c != '\\') {
      out->push_back(c);
      continue;
    }
    if (text->empty()) return false;
    const char escape = text->front();
    text->remove_prefix(1);
    static constexpr std::string_view kNames = "abfnrtv\\\"";
    static constexpr std::string_view kBytes = "\a\b\f\n\r\t\v\\\"";
    const size_t plain = kNames.find(escape);
    if (plain != std::string_view::npos) {
      out->push_back(kBytes[plain]);
      continue;
    }
    const size_t digits = escape == 'x' ? 2 : escape == 'u' ? 4 : escape == 'U' ? 8 : 0;
    uint32_t code = 0;
    if (digits == 0 || text->size() < digits) return false;
    if (std::from_chars(text->data(), text->data() + digits, code, 16).ptr != text->data() + digits) return false;
    text->remove_prefix(digits);
    if (escape == 'x' || code < 0x80) {
      out->push_back(static_cast<char>(code));
      continue;
    }
    if (code >= 0x10000) out->push_back(static_cast<char>(0xF0 | code >> 18));
    if (code >= 0x10000) out->push_back(static_cast<char>(0x80 | (code >> 12 & 0x3F)));
    if (code >= 0x800 && code < 0x10000) out->push_back(static_cast<char>(0xE0 | code >> 12));
    out->push_back(code >= 0x800 ? static_cast<char>(0x80 | (code >> 6 & 0x3F)) : static_cast<char>(0xC0 | code >> 6));
    out->push_back(static_cast<char>(0x80 | (code & 0x3F)));
  }
  return false;
}

}  // namespace

bool ReadLabels(std::string_view text, std::vector<std::pair<std::string, std::string>>* out) {
  if (text.size() < 2 || text.front() != '{' || text.back() != '}') return false;
  text = text.substr(1, text.size() - 2);
  while (!text.empty()) {
    while (text.starts_with(' ') || text.starts_with(',')) text.remove_prefix(1);
    if (text.empty()) break;
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0) return false;
    std::string value;
    std::string name(text.substr(0, equals));
    text.remove_prefix(equals + 1);
    if (!Unquote(&text, &value)) return false;
    if (!text.empty() && text.front() != ',') return false;
    out->emplace_back(std::move(name), std::move(value));
  }
  return !out->empty();
}

}  // namespace bench
