// SPDX-License-Identifier: Apache-2.0
#include "agent/source/internal/positions_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "agent/config/node.h"
#include "agent/text/number.h"

namespace agent::source {
namespace {

constexpr std::string_view kHeader = "# Sluice positions ";
constexpr std::string_view kLine = "#@ ";
constexpr std::string_view kFile = "file ";
constexpr std::string_view kSeen = "seen ";
constexpr std::string_view kEnd = "end ";

constexpr std::pair<Packing, std::string_view> kPackings[] = {
    {Packing::kPlain, "plain"}, {Packing::kGzip, "gz"}, {Packing::kZlib, "z"}, {Packing::kBzip2, "bz2"}};

std::string_view NameOf(Packing packing) {
  for (const auto& [value, name] : kPackings) {
    if (value == packing) return name;
  }
  return "plain";
}

bool IsUtf8(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t more = lead < 0x80 ? 0 : lead >= 0xF0 && lead < 0xF5 ? 3 : lead >= 0xE0 && lead < 0xF0 ? 2
                        : lead >= 0xC2 && lead < 0xE0 ? 1 : 4;
    if (more == 4 || i + more >= text.size()) return false;
    for (size_t k = 1; k <= more; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xC0) != 0x80) return false;
    }
    i += more + 1;
  }
  return true;
}

// Quoted for a comment line: ASCII without control characters, whatever the path is.
void AppendQuoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte >= 0x7F) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  out += '"';
}

// A YAML key: plain where nothing can be misread, else double-quoted.
void AppendYamlKey(std::string& out, std::string_view text) {
  const bool plain = text.size() > 1 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == '.' ||
           c == '_' || c == '-';
  });
  if (plain && (text[0] == '/' || text.starts_with("cursor-") || text.starts_with("journal-"))) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      fmt::format_to(std::back_inserter(out), "\\x{:02X}", byte);
    } else {
      out += c;
    }
  }
  out += '"';
}

void AppendMember(std::string& out, std::string_view key, std::string_view value) {
  out += "  ";
  AppendYamlKey(out, key);
  out += ": ";
  AppendQuoted(out, value);
  out += '\n';
}

void AppendFile(std::string& out, const PositionView& file) {
  fmt::format_to(std::back_inserter(out),
                 "{}{}at={} size={} dev={} ino={} born={} head={}:{:016x} mark={}:{:016x} packing={} job=", kLine, kFile,
                 file.offset, file.size, file.identity.device, file.identity.inode, file.identity.born_ns,
                 file.identity.head.length, file.identity.head.hash, file.mark.length, file.mark.hash,
                 NameOf(file.packing));
  AppendQuoted(out, file.job);
  out += " path=";
  AppendQuoted(out, file.path);
  if (file.follows != file.path) {
    out += " follows=";
    AppendQuoted(out, file.follows);
  }
  out += '\n';
}

// Only plain files have an entry in the map: of packed ones Promtail would take the
// number for lines.
bool InMap(const PositionView& file) { return file.packing == Packing::kPlain && IsUtf8(file.path); }

struct MapEntry {
  std::string_view path;
  uint64_t offset;
};

// By path. Of several generations last seen under one name the newest is there now; of
// several jobs the slowest counts.
std::vector<MapEntry> MapOf(const std::vector<PositionView>& files) {
  std::vector<uint32_t> order;
  order.reserve(files.size());
  for (uint32_t i = 0; i < files.size(); ++i) {
    if (InMap(files[i])) order.push_back(i);
  }
  std::ranges::stable_sort(order, {}, [&](uint32_t i) { return files[i].path; });
  std::vector<MapEntry> entries;
  entries.reserve(order.size());
  std::string_view job;
  for (const uint32_t i : order) {
    const PositionView& file = files[i];
    if (entries.empty() || entries.back().path != file.path) {
      entries.push_back({file.path, file.offset});
    } else {
      uint64_t& offset = entries.back().offset;
      offset = job == file.job ? file.offset : std::min(offset, file.offset);
    }
    job = file.job;
  }
  return entries;
}

// Gathers text, sums it up, and hands it on when there is enough of it.
class PieceWriter {
 public:
  explicit PieceWriter(const std::function<Status(std::string_view)>& write) : write_(write) {
    text_.reserve(kPiece + 4096);
  }

  std::string& text() {
    if (text_.size() >= kPiece) Flush();
    return text_;
  }
  uint64_t Sum() {
    Flush();
    return sum_.hash;
  }
  Status Finish() {
    Flush();
    return std::move(status_);
  }

 private:
  static constexpr size_t kPiece = 64 * 1024;

  void Flush() {
    sum_.Extend(text_);
    if (status_) status_ = write_(text_);
    text_.clear();
  }

  const std::function<Status(std::string_view)>& write_;
  std::string text_;
  Fingerprint sum_;
  Status status_;
};

// -- reading --

class LineReader {
 public:
  explicit LineReader(std::string_view rest) : rest_(rest) {}

  // The next "key=", or false at the end or at garbage (then ok() is false).
  bool Next(std::string_view& key) {
    while (!rest_.empty() && rest_[0] == ' ') rest_.remove_prefix(1);
    if (rest_.empty()) return false;
    const size_t equals = rest_.find('=');
    if (equals == std::string_view::npos) return Bad();
    key = rest_.substr(0, equals);
    rest_.remove_prefix(equals + 1);
    return true;
  }
  template <class Integer>
  void Number(Integer& out, int base = 10) {
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), out, base);
    if (error != std::errc()) Bad();
    else rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
  }
  void Skip(char expected) {
    if (rest_.empty() || rest_[0] != expected) Bad();
    else rest_.remove_prefix(1);
  }
  std::string_view Word() {
    const std::string_view word = rest_.substr(0, rest_.find(' '));
    rest_.remove_prefix(word.size());
    return word;
  }
  std::string Quoted() {
    std::string out;
    Skip('"');
    while (ok_ && !rest_.empty() && rest_[0] != '"') {
      if (rest_[0] == '\\' && rest_.size() > 1 && rest_[1] == 'x') {
        unsigned byte = 0;
        const size_t digits = std::min<size_t>(2, rest_.size() - 2);
        const auto [end, error] = std::from_chars(rest_.data() + 2, rest_.data() + 2 + digits, byte, 16);
        if (error != std::errc() || end != rest_.data() + 4) Bad();
        out += static_cast<char>(byte);
        rest_.remove_prefix(std::min<size_t>(4, rest_.size()));
        continue;
      }
      if (rest_[0] == '\\') rest_.remove_prefix(1);
      if (rest_.empty()) break;
      out += rest_[0];
      rest_.remove_prefix(1);
    }
    Skip('"');
    return out;
  }
  bool ok() const { return ok_; }

 private:
  bool Bad() {
    ok_ = false;
    rest_ = {};
    return false;
  }
  std::string_view rest_;
  bool ok_ = true;
};

std::optional<SavedPosition> ParseFile(std::string_view line) {
  SavedPosition file;
  LineReader reader(line);
  std::string_view key;
  bool has_offset = false;
  while (reader.Next(key)) {
    if (key == "at") {
      reader.Number(file.offset);
      has_offset = true;
    } else if (key == "size") {
      reader.Number(file.size);
    } else if (key == "dev") {
      reader.Number(file.identity.device);
    } else if (key == "ino") {
      reader.Number(file.identity.inode);
    } else if (key == "born") {
      reader.Number(file.identity.born_ns);
    } else if (key == "head") {
      reader.Number(file.identity.head.length);
      reader.Skip(':');
      reader.Number(file.identity.head.hash, 16);
    } else if (key == "mark") {
      reader.Number(file.mark.length);
      reader.Skip(':');
      reader.Number(file.mark.hash, 16);
    } else if (key == "packing") {
      const std::string_view word = reader.Word();
      for (const auto& [value, name] : kPackings) {
        if (name == word) file.packing = value;
      }
    } else if (key == "job") {
      file.job = reader.Quoted();
    } else if (key == "path") {
      file.path = reader.Quoted();
    } else if (key == "follows") {
      file.follows = reader.Quoted();
    } else {
      reader.Word();  // of a later minor change
    }
  }
  if (!reader.ok() || !has_offset || file.path.empty()) return std::nullopt;
  if (file.follows.empty()) file.follows = file.path;
  return file;
}

struct Comments {
  int version = 0;  // 0 = not ours
  std::vector<SavedPosition> files;
  int64_t seen_until_ns = 0;
  bool complete = false;
  bool sum_matches = false;
};

Result<Comments> ParseComments(std::string_view text) {
  Comments out;
  if (!text.starts_with(kHeader)) return out;
  std::from_chars(text.data() + kHeader.size(), text.data() + text.size(), out.version);
  if (out.version < 1) return Fail(Code::kCorrupt, "its first line names no version");
  if (out.version > kPositionsVersion) return out;
  size_t at = 0;
  while (at < text.size()) {
    const size_t newline = text.find('\n', at);
    const size_t end = newline == std::string_view::npos ? text.size() : newline;
    std::string_view line = text.substr(at, end - at);
    const size_t line_start = at;
    at = end + 1;
    if (!line.starts_with(kLine)) continue;
    line.remove_prefix(kLine.size());
    if (line.starts_with(kFile)) {
      auto file = ParseFile(line.substr(kFile.size()));
      if (!file) return Fail(Code::kCorrupt, "this line is damaged: " + std::string(line.substr(0, 80)));
      out.files.push_back(std::move(*file));
    } else if (line.starts_with(kSeen)) {
      std::from_chars(line.data() + kSeen.size(), line.data() + line.size(), out.seen_until_ns);
    } else if (line.starts_with(kEnd) && newline != std::string_view::npos) {
      out.complete = true;
      uint64_t sum = 0;
      std::from_chars(line.data() + kEnd.size(), line.data() + line.size(), sum, 16);
      Fingerprint found;
      found.Extend(text.substr(0, line_start));
      out.sum_matches = sum == found.hash;
    }
  }
  if (!out.complete) return Fail(Code::kCorrupt, "it has no end line, so it was written only in part");
  return out;
}

Result<std::map<std::string, std::string>> ParseMap(std::string_view text, const std::string& file_name) {
  std::map<std::string, std::string> map;
  std::string yaml;  // without our lines, for the parser's limit on text
  yaml.reserve(text.size());
  while (!text.empty()) {
    const size_t newline = std::min(text.find('\n'), text.size() - 1);
    if (!text.starts_with(kLine)) yaml += text.substr(0, newline + 1);
    text.remove_prefix(newline + 1);
  }
  Diagnostics problems;
  const config::Node root = config::ParseYaml(yaml, file_name, problems);
  if (!problems.ok()) return Fail(Code::kCorrupt, problems.all().front().message);
  if (root.is_null()) return Fail(Code::kCorrupt, "it has no \"positions\"");
  if (!root.is_map()) return Fail(Code::kCorrupt, "it is no YAML map");
  for (const auto& [key, value] : root.members) {
    if (key.scalar != "positions") return Fail(Code::kCorrupt, "it has an unknown key \"" + key.scalar + "\"");
    if (value.is_null()) continue;
    if (!value.is_map()) return Fail(Code::kCorrupt, "\"positions\" is no map");
    for (const auto& [path, position] : value.members) {
      if (!position.is_scalar()) return Fail(Code::kCorrupt, "the position of \"" + path.scalar + "\" is no text");
      map[path.scalar] = position.scalar;
    }
  }
  return map;
}

// The map is what a person sees and edits, so it wins over the comment lines: an entry
// that is missing was removed, a number that differs was changed.
void Reconcile(PositionsContent& content, std::map<std::string, std::string> map) {
  std::map<std::string, std::string> unclaimed = map;
  std::erase_if(content.files, [&](SavedPosition& file) {
    if (!InMap(file)) return false;
    const auto found = map.find(file.path);
    if (found == map.end()) return content.edited;
    unclaimed.erase(file.path);
    const auto offset = OffsetOf(found->second);
    if (content.edited && offset && *offset != file.offset) {
      file.offset = *offset;
      file.mark = {};
    }
    return false;
  });
  for (auto& [key, value] : unclaimed) {
    (IsCursorKey(key) ? content.cursors : content.by_path)[key] = std::move(value);
  }
}

}  // namespace

std::optional<uint64_t> OffsetOf(std::string_view text) {
  long long number = 0;
  if (!text::ParseInt(text, number) || number < 0) return std::nullopt;
  return static_cast<uint64_t>(number);
}

bool IsCursorKey(std::string_view key) { return key.starts_with("cursor-") || key.starts_with("journal-"); }

Status RenderPositions(const PositionsToWrite& content, const std::function<Status(std::string_view)>& write) {
  PieceWriter out(write);
  const std::vector<MapEntry> entries = MapOf(content.files);
  fmt::format_to(std::back_inserter(out.text()),
                 "{}{}: Promtail reads the map as its own; \"#@\" lines say which file is meant.\n", kHeader,
                 kPositionsVersion);
  const bool empty = entries.empty() && content.by_path.empty() && content.cursors.empty();
  out.text() += empty ? "positions: {}\n" : "positions:\n";
  for (const auto& [path, offset] : entries) AppendMember(out.text(), path, std::to_string(offset));
  for (const auto& [path, text] : content.by_path) {
    if (!std::ranges::binary_search(entries, std::string_view(path), {}, &MapEntry::path)) {
      AppendMember(out.text(), path, text);
    }
  }
  for (const auto& [key, text] : content.cursors) AppendMember(out.text(), key, text);
  fmt::format_to(std::back_inserter(out.text()), "{}{}{}\n", kLine, kSeen, content.seen_until_ns);
  for (const PositionView& file : content.files) AppendFile(out.text(), file);
  const uint64_t sum = out.Sum();
  fmt::format_to(std::back_inserter(out.text()), "{}{}{:016x}\n", kLine, kEnd, sum);
  return out.Finish();
}

Result<PositionsContent> ParsePositions(std::string_view text, const std::string& file_name) {
  auto comments = ParseComments(text);
  if (!comments) return Forward(comments);
  if (comments->version > kPositionsVersion) {
    return Fail(Code::kConfig, fmt::format("{} has format {}, written by a newer version; this one knows format {}. "
                                           "Run the newer version, or move the file away to read all logs again",
                                           file_name, comments->version, kPositionsVersion));
  }
  auto map = ParseMap(text, file_name);
  if (!map) return Forward(map);
  PositionsContent content;
  content.files = std::move(comments->files);
  content.seen_until_ns = comments->seen_until_ns;
  content.edited = comments->version > 0 && !comments->sum_matches;
  Reconcile(content, std::move(*map));
  return content;
}

}  // namespace agent::source
