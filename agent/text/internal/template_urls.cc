// SPDX-License-Identifier: Apache-2.0
// urlParse and urlJoin: URLs taken apart and put together as Go's net/url does it.
#include <algorithm>
#include <charconv>

#include "agent/text/internal/template_functions.h"

namespace agent::text::tmpl {
namespace {

enum class Part { kPath, kHost, kUser, kFragment };

bool IsLetterOrDigit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// May the byte stand in that part as it is?
bool IsPlain(char c, Part part) {
  if (IsLetterOrDigit(c) || std::string_view("-_.~").find(c) != std::string_view::npos) return true;
  std::string_view more;
  switch (part) {
    case Part::kPath: more = "$&+,/:;=@"; break;
    case Part::kUser: more = "$&+,;="; break;
    case Part::kHost: more = "!$&'()*+,;=:[]<>\""; break;
    case Part::kFragment: more = "$&+,/:;=?@!()*"; break;
  }
  return more.find(c) != std::string_view::npos;
}

void AppendEscaped(std::string& out, std::string_view text, Part part) {
  for (const char c : text) {
    if (IsPlain(c, part)) {
      out.push_back(c);
      continue;
    }
    out.push_back('%');
    out.push_back("0123456789ABCDEF"[static_cast<unsigned char>(c) >> 4]);
    out.push_back("0123456789ABCDEF"[static_cast<unsigned char>(c) & 15]);
  }
}

bool Unescape(std::string_view text, Part part, std::string& out) {
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c != '%') {
      const bool ascii = static_cast<unsigned char>(c) < 0x80;
      if (part == Part::kHost && ascii && !IsPlain(c, part)) return false;
      out.push_back(c);
      continue;
    }
    unsigned value = 0;
    if (text.size() - at < 3) return false;
    const char* digits = text.data() + at + 1;
    const auto [end, error] = std::from_chars(digits, digits + 2, value, 16);
    if (error != std::errc() || end != digits + 2) return false;
    if (part == Part::kHost && value < 0x80 && value != '%') return false;  // only for other alphabets
    out.push_back(static_cast<char>(value));
    at += 2;
  }
  return true;
}

struct Url {
  std::string scheme, opaque, host, path, query, fragment;
  bool has_user = false;
  std::string user, password;
  bool has_password = false;
};

// The scheme before a colon; false if the text begins with a colon.
bool TakeScheme(std::string_view& rest, std::string& scheme) {
  for (size_t at = 0; at < rest.size(); ++at) {
    const char c = rest[at];
    if (IsLetterOrDigit(c) || c == '+' || c == '-' || c == '.') {
      const bool letter = IsLetterOrDigit(c) && (c < '0' || c > '9');
      if (at == 0 && !letter) return true;
      continue;
    }
    if (c != ':') return true;
    if (at == 0) return false;
    scheme = rest.substr(0, at);
    std::transform(scheme.begin(), scheme.end(), scheme.begin(), [](char s) { return s >= 'A' && s <= 'Z' ? s + 32 : s; });
    rest.remove_prefix(at + 1);
    return true;
  }
  return true;
}

bool IsPort(std::string_view text) {
  return text.empty() || (text[0] == ':' && text.find_first_not_of("0123456789", 1) == std::string_view::npos);
}

bool ParseHost(std::string_view host, std::string& out) {
  if (host.starts_with('[')) {
    const size_t close = host.rfind(']');
    if (close == std::string_view::npos || !IsPort(host.substr(close + 1))) return false;
  } else if (const size_t colon = host.rfind(':'); colon != std::string_view::npos) {
    if (!IsPort(host.substr(colon))) return false;
  }
  return Unescape(host, Part::kHost, out);
}

bool ParseAuthority(std::string_view authority, Url& url) {
  const size_t at = authority.rfind('@');
  if (at != std::string_view::npos) {
    const std::string_view user = authority.substr(0, at);
    const bool valid = std::all_of(user.begin(), user.end(), [](char c) {
      return IsLetterOrDigit(c) || std::string_view("-._:~!$&'()*+,;=%@").find(c) != std::string_view::npos;
    });
    if (!valid) return false;
    const size_t colon = user.find(':');
    url.has_user = true;
    url.has_password = colon != std::string_view::npos;
    if (!Unescape(user.substr(0, colon), Part::kUser, url.user)) return false;
    if (url.has_password && !Unescape(user.substr(colon + 1), Part::kUser, url.password)) return false;
    authority.remove_prefix(at + 1);
  }
  return ParseHost(authority, url.host);
}

bool ParseUrl(std::string_view text, Url& url) {
  const bool control = std::any_of(text.begin(), text.end(), [](char c) { return (c >= 0 && c < ' ') || c == 0x7F; });
  if (control) return false;
  const size_t hash = text.find('#');
  if (hash != std::string_view::npos) {
    if (!Unescape(text.substr(hash + 1), Part::kFragment, url.fragment)) return false;
    text = text.substr(0, hash);
  }
  if (text == "*") {
    url.path = "*";
    return true;
  }
  if (!TakeScheme(text, url.scheme)) return false;
  const size_t question = text.find('?');
  if (question != std::string_view::npos) {
    url.query = text.substr(question + 1);
    text = text.substr(0, question);
  }
  if (!text.starts_with('/')) {
    if (!url.scheme.empty()) {
      url.opaque = text;
      return true;
    }
    if (text.substr(0, text.find('/')).find(':') != std::string_view::npos) return false;
  }
  if (text.starts_with("//") && (!url.scheme.empty() || !text.starts_with("///"))) {
    const size_t end = std::min(text.find('/', 2), text.size());
    if (!ParseAuthority(text.substr(2, end - 2), url)) return false;
    text.remove_prefix(end);
  }
  return Unescape(text, Part::kPath, url.path);
}

void AppendUser(std::string& out, const Url& url) {
  AppendEscaped(out, url.user, Part::kUser);
  if (!url.has_password) return;
  out.push_back(':');
  AppendEscaped(out, url.password, Part::kUser);
}

void AppendUrl(std::string& out, const Url& url) {
  if (!url.scheme.empty()) out.append(url.scheme).push_back(':');
  if (!url.opaque.empty()) {
    out.append(url.opaque);
  } else {
    if (!url.scheme.empty() || !url.host.empty() || url.has_user) {
      if (!url.host.empty() || !url.path.empty() || url.has_user) out.append("//");
      if (url.has_user) {
        AppendUser(out, url);
        out.push_back('@');
      }
      AppendEscaped(out, url.host, Part::kHost);
    }
    std::string path;
    AppendEscaped(path, url.path, Part::kPath);
    if (path == "%2A") path = "*";
    if (!path.empty() && path[0] != '/' && !url.host.empty()) out.push_back('/');
    if (out.empty() && path.substr(0, path.find('/')).find(':') != std::string::npos) out.append("./");
    out.append(path);
  }
  if (!url.query.empty()) out.append("?").append(url.query);
  if (!url.fragment.empty()) {
    out.push_back('#');
    AppendEscaped(out, url.fragment, Part::kFragment);
  }
}

std::string_view HostName(std::string_view host) {
  if (host.starts_with('[')) {
    const size_t close = host.find(']');
    return close == std::string_view::npos ? host : host.substr(1, close - 1);
  }
  const size_t colon = host.rfind(':');
  return colon != std::string_view::npos && IsPort(host.substr(colon)) ? host.substr(0, colon) : host;
}

Value UrlParse(Run& run, Args args) {
  Url url;
  if (!ParseUrl(args[0].text, url)) return run.Fail("unable to parse url: ", args[0].text);
  Map* map = run.NewMap();
  std::string user;
  if (url.has_user) AppendUser(user, url);
  run.Set(*map, "scheme", run.Text(url.scheme));
  run.Set(*map, "host", run.Text(url.host));
  run.Set(*map, "hostname", run.Text(HostName(url.host)));
  run.Set(*map, "path", run.Text(url.path));
  run.Set(*map, "query", run.Text(url.query));
  run.Set(*map, "opaque", run.Text(url.opaque));
  run.Set(*map, "fragment", run.Text(url.fragment));
  run.Set(*map, "userinfo", run.Text(user));
  return Value::Of(map);
}

Value UrlJoin(Run& run, Args args) {
  Url url;
  std::string user;
  struct Field {
    std::string_view key;
    std::string* into;
  };
  const Field fields[] = {{"scheme", &url.scheme}, {"host", &url.host},         {"path", &url.path},
                          {"query", &url.query},   {"opaque", &url.opaque},     {"fragment", &url.fragment},
                          {"userinfo", &user}};
  for (const Field& field : fields) {
    const Value* found = run.Fill(*args[0].map).Find(field.key);
    if (found == nullptr) continue;
    if (!found->is_string()) return run.Fail("urlJoin takes strings, also for ", field.key);
    *field.into = found->text;
  }
  Url with_user;
  if (!user.empty()) {
    if (!ParseUrl("proto://" + user + "@host", with_user)) return run.Fail("unable to parse userinfo: ", user);
    url.has_user = with_user.has_user;
    url.user = with_user.user;
    url.has_password = with_user.has_password;
    url.password = with_user.password;
  }
  Buffer out(run);
  AppendUrl(*out, url);
  return run.Text(*out);
}

constexpr Function kUrlFunctions[] = {
    {"urlParse", "s", UrlParse},
    {"urlJoin", "m", UrlJoin},
};

}  // namespace

std::span<const Function> UrlFunctions() { return kUrlFunctions; }

}  // namespace agent::text::tmpl
