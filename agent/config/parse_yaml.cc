// SPDX-License-Identifier: Apache-2.0
// The only place that runs yaml-cpp's parser, and the only catch of its exceptions.
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>
#include <string>

#include "agent/config/internal/tree_builder.h"
#include "agent/config/node.h"

namespace agent::config {
namespace {

// The length of the UTF-8 sequence at `i`, or 0 if the bytes are not UTF-8.
size_t Utf8Length(std::string_view text, size_t i) {
  const auto byte = [&text](size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U; };
  const unsigned first = byte(i);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4) return 0;
  for (size_t k = 1; k < length; ++k) {
    if ((byte(i + k) & 0xC0) != 0x80) return 0;
  }
  const unsigned second = byte(i + 1);
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool outside = (first == 0xED && second > 0x9F) || (first == 0xF4 && second > 0x8F);
  return overlong || outside ? 0 : length;
}

std::string Hex(unsigned char byte) {
  constexpr char kDigits[] = "0123456789abcdef";
  return std::string("0x") + kDigits[byte >> 4] + kDigits[byte & 15];
}

// False with an error if the text holds bytes that YAML does not allow. yaml-cpp would
// quietly replace them.
bool CheckCharacters(std::string_view text, const std::string& file, Diagnostics& diagnostics) {
  int line = 1;
  int column = 1;
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const size_t length = Utf8Length(text, i);
    const bool control = (byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t') || byte == 0x7F;
    if (length == 0 || control) {
      diagnostics.AddError({file, line, column}, "",
                           "the byte " + Hex(byte) + (control ? " is a control character" : " is not UTF-8") +
                               "; save the file as UTF-8 text");
      return false;
    }
    i += length;
    ++column;
    if (byte == '\n') ++line, column = 1;
  }
  return true;
}

std::string_view LineOf(std::string_view text, int line) {
  for (; line > 1; --line) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

std::string SyntaxMessage(std::string_view text, const YAML::Exception& error) {
  constexpr size_t kShown = 80;
  std::string message = "this is not valid YAML: " + error.msg;
  const std::string_view line = LineOf(text, error.mark.line + 1);
  const size_t start = line.find_first_not_of(" \t\r");
  if (start == std::string_view::npos) return message;
  message += "; the line reads `" + std::string(line.substr(start, kShown)) + (line.size() - start > kShown ? "...`" : "`");
  if (line.substr(0, start).find('\t') != std::string_view::npos) message += "; indent with spaces, not tabs";
  return message;
}

// yaml-cpp takes a quoted scalar that is never closed, if a line break ends the file.
// Only the last scalar of a file can be such a one.
bool IsUnclosedQuote(std::string_view text, const YAML::Mark& mark) {
  if (mark.pos < 0 || static_cast<size_t>(mark.pos) > text.size()) return false;
  text.remove_prefix(static_cast<size_t>(mark.pos));
  while (text.starts_with('&') || text.starts_with('!')) {
    text.remove_prefix(std::min(text.size(), text.find_first_of(" \t\r\n")));
    text.remove_prefix(std::min(text.size(), text.find_first_not_of(" \t\r\n")));
  }
  if (!text.starts_with('"') && !text.starts_with('\'')) return false;
  const char quote = text[0];
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\' && quote == '"') ++i;
    else if (text[i] == quote && quote == '\'' && i + 1 < text.size() && text[i + 1] == quote) ++i;
    else if (text[i] == quote) return false;
  }
  return true;
}

class IgnoreEvents : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override { mark_ = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
  YAML::Mark mark_;
};

// Promtail reads the first document only, and says nothing.
void WarnOfMoreDocuments(YAML::Parser& parser, const std::string& file, Diagnostics& diagnostics) {
  IgnoreEvents ignore;
  bool more = false;
  try {
    more = parser.HandleNextDocument(ignore);
  } catch (const YAML::Exception&) {
    more = true;  // whatever it is, nobody reads it
  }
  if (more) {
    diagnostics.AddWarning({file, ignore.mark_.line + 1, ignore.mark_.column + 1}, "",
                           "a second YAML document begins here; only the first one is read");
  }
}

}  // namespace

Node ParseYaml(std::string_view text, const std::string& file_name, Diagnostics& diagnostics) {
  if (text.size() > internal::kMaxYamlBytes) {
    diagnostics.AddError({file_name, 0, 0}, "",
                         "the file has " + std::to_string(text.size()) + " bytes; a configuration may have at most " +
                             std::to_string(internal::kMaxYamlBytes));
    return {};
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  if (!CheckCharacters(text, file_name, diagnostics)) return {};
  internal::TreeBuilder builder(text, file_name, diagnostics);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return {};
    const YAML::Mark& last = builder.last_scalar();
    if (IsUnclosedQuote(text, last)) {
      diagnostics.AddError({file_name, last.line + 1, last.column + 1}, "",
                           "this is not valid YAML: the quoted text that begins here has no closing quote");
      return {};
    }
    WarnOfMoreDocuments(parser, file_name, diagnostics);
    return builder.TakeRoot();
  } catch (const YAML::Exception& error) {
    if (builder.failed()) return {};  // it has been said already what is wrong
    diagnostics.AddError({file_name, error.mark.line + 1, error.mark.column + 1}, "", SyntaxMessage(text, error));
  } catch (const std::exception& error) {
    diagnostics.AddError({file_name, 0, 0}, "", std::string("the file cannot be parsed as YAML: ") + error.what());
  }
  return {};
}

}  // namespace agent::config
