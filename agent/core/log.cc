// SPDX-License-Identifier: Apache-2.0
#include "agent/core/log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <map>

#include "agent/core/mutex.h"

namespace agent {
namespace {

constexpr int kPerKind = 10;
constexpr auto kInterval = std::chrono::seconds(10);

struct Kind {
  std::chrono::steady_clock::time_point window{};
  int written = 0;
  int left_out = 0;
};

struct State {
  Mutex mutex;
  std::map<std::string, Kind, std::less<>> kinds AGENT_GUARDED_BY(mutex);
  std::string* capture AGENT_GUARDED_BY(mutex) = nullptr;
};

State& GetState() {
  static State state;  // the log outlives every other object
  return state;
}

std::atomic<LogLevel> g_level{LogLevel::kInfo};
std::atomic<bool> g_json{false};
std::array<std::atomic<unsigned long long>, 4> g_written{};

std::string_view Name(LogLevel level) {
  static constexpr std::string_view kNames[] = {"debug", "info", "warn", "error"};
  return kNames[static_cast<int>(level)];
}

void AppendEscaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<int>(c));
        } else {
          out += c;
        }
    }
  }
}

void AppendField(std::string& out, bool json, std::string_view key, std::string_view value) {
  if (json) {
    out += out.size() == 1 ? "\"" : ",\"";
    out.append(key).append("\":\"");
    AppendEscaped(out, value);
    out += '"';
    return;
  }
  if (!out.empty()) out += ' ';
  out.append(key) += '=';
  const bool bare = !value.empty() && value.find_first_of(" \"=\\\n\r\t") == std::string_view::npos;
  if (bare) {
    out += value;
  } else {
    out += '"';
    AppendEscaped(out, value);
    out += '"';
  }
}

std::string Timestamp() {
  const auto now = std::chrono::system_clock::now();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(now)),
                     ms % 1000);
}

}  // namespace

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (level < g_level.load(std::memory_order_relaxed)) return;
  State& state = GetState();
  MutexLock lock(state.mutex);
  auto found = state.kinds.find(message);
  if (found == state.kinds.end()) found = state.kinds.emplace(std::string(message), Kind{}).first;
  Kind& kind = found->second;
  const auto now = std::chrono::steady_clock::now();
  if (kind.written == 0 || now - kind.window > kInterval) {
    kind.window = now;
    kind.written = 0;
  }
  if (level != LogLevel::kDebug && ++kind.written > kPerKind) {
    ++kind.left_out;
    return;
  }
  const bool json = g_json.load(std::memory_order_relaxed);
  std::string line;
  if (json) line = "{";
  AppendField(line, json, "ts", Timestamp());
  AppendField(line, json, "level", Name(level));
  AppendField(line, json, "msg", message);
  for (const LogField& field : fields) AppendField(line, json, field.key, field.value);
  if (kind.left_out > 0) {
    AppendField(line, json, "left_out", std::to_string(kind.left_out));
    kind.left_out = 0;
  }
  line += json ? "}\n" : "\n";
  g_written[static_cast<size_t>(level)].fetch_add(1, std::memory_order_relaxed);
  if (state.capture != nullptr) {
    *state.capture += line;
  } else {
    [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, line.data(), line.size());
  }
}

void SetLogLevel(LogLevel level) { g_level.store(level, std::memory_order_relaxed); }
void SetLogJson(bool json) { g_json.store(json, std::memory_order_relaxed); }
LogLevel CurrentLogLevel() { return g_level.load(std::memory_order_relaxed); }
unsigned long long LogLinesWritten(LogLevel level) {
  return g_written[static_cast<size_t>(level)].load(std::memory_order_relaxed);
}

LogCapture::LogCapture() {
  State& state = GetState();
  MutexLock lock(state.mutex);
  state.capture = new std::string;
  state.kinds.clear();
}

LogCapture::~LogCapture() {
  State& state = GetState();
  MutexLock lock(state.mutex);
  delete state.capture;
  state.capture = nullptr;
}

std::string LogCapture::text() const {
  State& state = GetState();
  MutexLock lock(state.mutex);
  return *state.capture;
}

}  // namespace agent
