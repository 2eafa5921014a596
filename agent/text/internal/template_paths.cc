// SPDX-License-Identifier: Apache-2.0
// Paths with slashes, as Go's package path treats them; on this system the os*
// functions are the same.
#include "agent/text/internal/template_functions.h"

namespace agent::text::tmpl {
namespace {

// The shortest path that means the same.
void AppendClean(Run& run, std::string_view path, std::string& out) {
  const bool rooted = path.starts_with('/');
  ValueBuffer kept(run);
  size_t ups = 0;  // leading `..` that stay
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    at = end + 1;
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      kept->push_back(Value::String(part));
    } else if (kept->size() > ups) {
      kept->pop_back();
    } else if (!rooted) {
      kept->push_back(Value::String(part));
      ++ups;
    }
  }
  if (rooted) out.push_back('/');
  for (size_t i = 0; i < kept->size(); ++i) {
    if (i > 0) out.push_back('/');
    out.append((*kept)[i].text);
  }
  if (out.empty()) out.push_back('.');
}

Value Clean(Run& run, Args args) {
  Buffer out(run);
  AppendClean(run, args[0].text, *out);
  return run.Text(*out);
}

Value Dir(Run& run, Args args) {
  const std::string_view path = args[0].text;
  const size_t slash = path.rfind('/');
  Buffer out(run);
  AppendClean(run, path.substr(0, slash == std::string_view::npos ? 0 : slash + 1), *out);
  return run.Text(*out);
}

Value Base(Run& /*run*/, Args args) {
  std::string_view path = args[0].text;
  if (path.empty()) return Value::String(".");
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty()) return Value::String("/");
  const size_t slash = path.rfind('/');
  return Value::String(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

Value Ext(Run& /*run*/, Args args) {
  const std::string_view path = args[0].text;
  const size_t mark = path.find_last_of("./");
  return Value::String(mark == std::string_view::npos || path[mark] == '/' ? std::string_view() : path.substr(mark));
}

Value IsAbs(Run& /*run*/, Args args) { return Value::Bool(args[0].text.starts_with('/')); }

constexpr Function kPathFunctions[] = {
    {"base", "s", Base},   {"dir", "s", Dir},     {"clean", "s", Clean},   {"ext", "s", Ext},   {"isAbs", "s", IsAbs},
    {"osBase", "s", Base}, {"osDir", "s", Dir},   {"osClean", "s", Clean}, {"osExt", "s", Ext}, {"osIsAbs", "s", IsAbs},
};

}  // namespace

std::span<const Function> PathFunctions() { return kPathFunctions; }

}  // namespace agent::text::tmpl
