// SPDX-License-Identifier: Apache-2.0
// The commands that ask a running agent over its HTTP API (docs/API.md).
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "agent/cli/internal/commands.h"
#include "agent/cli/internal/http_get.h"
#include "agent/cli/internal/options.h"
#include "agent/text/json_parse.h"

namespace agent::cli {
namespace {

using text::JsonValue;

int Complain(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  return 1;
}

std::string_view Text(const JsonValue* value) {
  return value != nullptr && value->is(JsonValue::Kind::kString) ? value->text : std::string_view();
}
std::string_view TextOf(const JsonValue& object, std::string_view key) { return Text(object.Find(key)); }
uint64_t NumberOf(const JsonValue& object, std::string_view key) {
  const JsonValue* value = object.Find(key);
  return value != nullptr && value->is(JsonValue::Kind::kNumber) ? static_cast<uint64_t>(value->number) : 0;
}
JsonValue::Items ItemsOf(const JsonValue& object, std::string_view key) {
  const JsonValue* value = object.Find(key);
  return value != nullptr && value->is(JsonValue::Kind::kArray) ? value->array : JsonValue::Items{nullptr, 0};
}

// A call to the API, printed as it came, or parsed.
class Call {
 public:
  // The exit code, if there is nothing more to do.
  std::optional<int> Get(const RemoteOptions& options, const std::string& path) {
    if (options.output != "text" && options.output != "json") {
      std::fprintf(stderr, "--output is \"%s\"; it must be text or json\n", options.output.c_str());
      return kUsageError;
    }
    const auto endpoint = ParseEndpoint(options.address);
    if (!endpoint) return Complain(endpoint.error().what);
    auto answer = HttpGet(*endpoint, path);
    if (!answer) return Complain(answer.error().what);
    body_ = std::move(answer->body);
    const bool parsed = parser_.ParseValue(body_, arena_, root);
    if (answer->status != 200) {
      const std::string_view why = parsed ? TextOf(root, "error") : std::string_view();
      return Complain(why.empty() ? fmt::format("the agent answered {}", answer->status) : std::string(why));
    }
    if (!parsed) return Complain("the answer is no JSON; is an agent of this version at --addr?");
    if (options.output != "json") return std::nullopt;
    std::fwrite(body_.data(), 1, body_.size(), stdout);
    if (!body_.ends_with('\n')) std::fputc('\n', stdout);
    return 0;
  }

  JsonValue root;

 private:
  std::string body_;
  Arena arena_;
  text::JsonParser parser_;
};

// Columns as wide as their widest cell.
class Table {
 public:
  void Row(std::vector<std::string> cells) {
    if (widths_.size() < cells.size()) widths_.resize(cells.size());
    for (size_t i = 0; i < cells.size(); ++i) widths_[i] = std::max(widths_[i], cells[i].size());
    rows_.push_back(std::move(cells));
  }
  void Print() const {
    for (const auto& row : rows_) {
      std::string line;
      for (size_t i = 0; i < row.size(); ++i) {
        line += i + 1 == row.size() ? row[i] : fmt::format("{:<{}}  ", row[i], widths_[i]);
      }
      line.erase(line.find_last_not_of(' ') + 1);
      std::printf("%s\n", line.c_str());
    }
  }

 private:
  std::vector<size_t> widths_;
  std::vector<std::vector<std::string>> rows_;
};

const char* MarkOf(std::string_view state) {
  if (state == "ok") return "ok  ";
  if (state == "broken") return "STOP";
  return state == "skipped" ? " -  " : " ?  ";
}

std::string LabelsText(const JsonValue* labels) {
  std::string out = "{";
  if (labels != nullptr && labels->is(JsonValue::Kind::kObject)) {
    for (const text::JsonMember& member : labels->object) {
      out += fmt::format("{}{}=\"{}\"", out.size() == 1 ? "" : ", ", member.key, Text(&member.value));
    }
  }
  return out + "}";
}

// The streams that a pod has fed.
void PrintStreams(const JsonValue& explanation) {
  const JsonValue::Items streams = ItemsOf(explanation, "streams");
  if (streams.size == 0) return;
  std::printf("\nStreams of the last hour:\n");
  Table table;
  table.Row({" ", "LINES", "BYTES", "LAST", "LABELS"});
  for (const JsonValue& stream : streams) {
    table.Row({" ", std::to_string(NumberOf(stream, "lines")), std::to_string(NumberOf(stream, "bytes")),
               std::string(TextOf(stream, "last")), std::string(TextOf(stream, "labels"))});
  }
  table.Print();
  if (const uint64_t others = NumberOf(explanation, "other_streams"); others > 0) {
    std::printf("   and %llu more\n", static_cast<unsigned long long>(others));
  }
}

}  // namespace

int Explain(const Words& words) {
  RemoteOptions options;
  config::FlagSet flags("agent explain");
  options.Declare(flags);
  Words pods;
  int code = 0;
  if (!ParseWords(flags, CommandNamed("explain"), words, pods, code)) return code;
  if (pods.size() != 1) {
    std::fputs("usage: agent explain [--addr=HOST:PORT] NAMESPACE/POD | POD | PATH\n", stderr);
    return kUsageError;
  }
  Call call;
  if (const auto done = call.Get(options, "/api/explain?pod=" + UrlEscape(pods.front()))) return *done;
  std::printf("%s: %s\n\n", std::string(TextOf(call.root, "pod")).c_str(), std::string(TextOf(call.root, "verdict")).c_str());
  for (const JsonValue& link : ItemsOf(call.root, "links")) {
    std::printf("  %s  %-10s %s\n", MarkOf(TextOf(link, "state")), std::string(TextOf(link, "name")).c_str(),
                std::string(TextOf(link, "text")).c_str());
  }
  PrintStreams(call.root);
  const JsonValue::Items similar = ItemsOf(call.root, "similar");
  if (similar.size > 0) std::printf("\nPods with a like name:\n");
  for (const JsonValue& name : similar) std::printf("  %s\n", std::string(Text(&name)).c_str());
  return TextOf(call.root, "first_broken").empty() ? 0 : 1;
}

int Targets(const Words& words) {
  RemoteOptions options;
  config::FlagSet flags("agent targets");
  options.Declare(flags);
  Words rest;
  int code = 0;
  if (!ParseWords(flags, CommandNamed("targets"), words, rest, code)) return code;
  Call call;
  if (const auto done = call.Get(options, "/api/targets")) return *done;
  Table table;
  table.Row({"JOB", "STATE", "FILE", "LABELS"});
  for (const JsonValue& target : ItemsOf(call.root, "targets")) {
    const JsonValue* ready = target.Find("ready");
    const bool is_ready = ready != nullptr && ready->is(JsonValue::Kind::kBool) && ready->flag;
    table.Row({std::string(TextOf(target, "job")), is_ready ? "ready" : "not ready", std::string(TextOf(target, "details")),
               LabelsText(target.Find("labels"))});
  }
  table.Print();
  return 0;
}

int ShowLedger(const Words& words) {
  RemoteOptions options;
  config::FlagSet flags("agent ledger");
  options.Declare(flags);
  Words rest;
  int code = 0;
  if (!ParseWords(flags, CommandNamed("ledger"), words, rest, code)) return code;
  Call call;
  if (const auto done = call.Get(options, "/api/ledger")) return *done;
  const JsonValue* counts = call.root.Find("counts");
  const JsonValue none;
  const JsonValue& sums = counts == nullptr ? none : *counts;
  std::printf("since %s: %llu lines and %llu bytes lost, %llu lines dropped on purpose\n",
              std::string(TextOf(call.root, "since")).c_str(), static_cast<unsigned long long>(NumberOf(sums, "lines_lost")),
              static_cast<unsigned long long>(NumberOf(sums, "bytes_lost")),
              static_cast<unsigned long long>(NumberOf(sums, "lines_dropped")));
  Table table;
  for (const char* part : {"lost", "by_pod", "dropped"}) {
    const JsonValue::Items rows = ItemsOf(call.root, part);
    if (rows.size == 0) continue;
    table.Row({""});
    table.Row({std::string(part) == "by_pod" ? "LOST BY POD" : std::string(part) == "lost" ? "LOST" : "DROPPED", "REASON",
               "LINES", "BYTES", "LAST"});
    for (const JsonValue& row : rows) {
      table.Row({std::string(part) == "by_pod" ? std::string(TextOf(row, "id")) : "", std::string(TextOf(row, "reason")),
                 std::to_string(NumberOf(row, "lines")), std::to_string(NumberOf(row, "bytes")),
                 std::string(TextOf(row, "text"))});
    }
  }
  table.Print();
  return 0;
}

int Tail(const Words& words) {
  TailOptions options;
  config::FlagSet flags("agent tail");
  options.Declare(flags);
  Words rest;
  int code = 0;
  if (!ParseWords(flags, CommandNamed("tail"), words, rest, code)) return code;
  if (!rest.empty() || (options.output != "text" && options.output != "json")) {
    std::fputs("usage: agent tail [--addr=HOST:PORT] [--pod=P] [--label=N=V] [--text=T] [--grep=RE] [--output=json]\n", stderr);
    return kUsageError;
  }
  const auto endpoint = ParseEndpoint(options.address);
  if (!endpoint) return Complain(endpoint.error().what);
  std::string query;
  const auto add = [&query](const char* key, const std::string& value) {
    if (!value.empty()) query += (query.empty() ? "?" : "&") + std::string(key) + "=" + UrlEscape(value);
  };
  add("pod", options.pod);
  add("text", options.text);
  add("grep", options.grep);
  for (const std::string& label : options.labels) add("label", label);

  int64_t printed = 0;
  std::string pending;
  std::string event;
  const BodySink print = [&](std::string_view piece) {
    pending += piece;
    size_t end = 0;
    while ((end = pending.find('\n')) != std::string::npos) {
      const std::string line = pending.substr(0, end);
      pending.erase(0, end + 1);
      if (line.starts_with("event: ")) event = line.substr(7);
      if (!line.starts_with("data: ")) continue;
      const std::string data = line.substr(6);
      Arena arena;
      text::JsonParser parser;
      JsonValue value;
      if (options.output == "json") {
        std::printf("%s\n", data.c_str());
      } else if (parser.ParseValue(data, arena, value) && event == "line") {
        std::printf("%s %s %s\n", std::string(TextOf(value, "time")).c_str(), LabelsText(value.Find("labels")).c_str(),
                    std::string(TextOf(value, "line")).c_str());
      } else if (event == "skipped") {
        std::fprintf(stderr, "(%llu lines skipped)\n", static_cast<unsigned long long>(NumberOf(value, "lines")));
      }
      std::fflush(stdout);
      if (event == "line" && options.lines > 0 && ++printed >= options.lines) return false;
    }
    return std::ferror(stdout) == 0;
  };
  auto answer = HttpGet(*endpoint, "/api/tail" + query, print);
  if (!answer) return Complain(answer.error().what);
  if (answer->status == 200) return 0;
  Arena arena;
  text::JsonParser parser;
  JsonValue value;
  const bool parsed = parser.ParseValue(answer->body, arena, value);
  return Complain(parsed ? std::string(TextOf(value, "error")) : fmt::format("the agent answered {}", answer->status));
}

}  // namespace agent::cli
