// SPDX-License-Identifier: Apache-2.0
// The program's own log: logfmt or JSON lines on standard error, UTC times.
// Thread-safe. One call is one line: a message that is a constant sentence, and
// fields. A message kind (its text) is limited to kPerKind lines per interval; the
// next line of the kind says how many were left out. Never call it per record,
// never put a log line's content in a field at info or above.
//
//   LogWarn("cannot open the file; trying again", {{"path", path}, {"err", error}});
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

namespace agent {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

struct LogField {
  LogField(std::string_view name, std::string_view text) : key(name), value(text) {}
  LogField(std::string_view name, const char* text) : key(name), value(text) {}
  LogField(std::string_view name, const std::string& text) : key(name), value(text) {}
  LogField(std::string_view name, bool flag) : key(name), value(flag ? "true" : "false") {}
  template <class Number>
    requires(std::is_arithmetic_v<Number> && !std::is_same_v<Number, bool>)
  LogField(std::string_view name, Number number) : key(name), value(std::to_string(number)) {}

  std::string_view key;
  std::string value;
};

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

inline void LogDebug(std::string_view m, std::initializer_list<LogField> f = {}) { Log(LogLevel::kDebug, m, f); }
inline void LogInfo(std::string_view m, std::initializer_list<LogField> f = {}) { Log(LogLevel::kInfo, m, f); }
inline void LogWarn(std::string_view m, std::initializer_list<LogField> f = {}) { Log(LogLevel::kWarn, m, f); }
inline void LogError(std::string_view m, std::initializer_list<LogField> f = {}) { Log(LogLevel::kError, m, f); }

// Set once at start (and by a reload). The default is info, logfmt.
void SetLogLevel(LogLevel level);
void SetLogJson(bool json);
LogLevel CurrentLogLevel();

// Lines written per level since the start (for metrics).
unsigned long long LogLinesWritten(LogLevel level);

// For tests: collects lines instead of writing them while alive. Not nestable.
class LogCapture {
 public:
  LogCapture();
  ~LogCapture();
  std::string text() const;
};

}  // namespace agent
