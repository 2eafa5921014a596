// SPDX-License-Identifier: Apache-2.0
// The functions of Go's text/template itself, and Promtail's own.
#include <algorithm>
#include <optional>

#include "agent/text/internal/template_functions.h"
#include "agent/text/internal/template_unicode.h"

namespace agent::text::tmpl {
namespace {

Value Not(Run& /*run*/, Args args) { return Value::Bool(!IsTrue(args[0])); }

Value Len(Run& run, Args args) {
  const Value& value = args[0];
  switch (value.kind) {
    case Kind::kString: return Value::Int(static_cast<int64_t>(value.text.size()));
    case Kind::kList: return Value::Int(static_cast<int64_t>(value.list->items.size()));
    case Kind::kMap: return Value::Int(run.Fill(*value.map).size);
    default: return run.Fail("len of a value that has no length");
  }
}

Value IndexOne(Run& run, const Value& item, const Value& index) {
  if (item.kind == Kind::kMap) {
    if (!index.is_string()) return run.Fail("the index of a map must be a string");
    const Value* found = run.Fill(*item.map).Find(index.text);
    if (found != nullptr) return *found;
    return item.map->elem == Elem::kString ? Value::String({}) : Value::Nil();
  }
  const bool text = item.is_string();
  if (!text && item.kind != Kind::kList) return run.Fail("this value cannot be indexed");
  const size_t length = text ? item.text.size() : item.list->items.size();
  if (index.kind != Kind::kInt) return run.Fail("the index must be a whole number");
  if (index.integer < 0 || static_cast<uint64_t>(index.integer) >= length) return run.Fail("the index is out of range");
  const auto at = static_cast<size_t>(index.integer);
  if (text) return Value::Int(static_cast<unsigned char>(item.text[at]), IntType::kUint8);
  return item.list->items[at];
}

Value Index(Run& run, Args args) {
  Value item = args[0];
  if (item.is_nothing()) return run.Fail("index of nothing");
  for (size_t i = 1; i < args.size() && !run.failed(); ++i) item = IndexOne(run, item, args[i]);
  return item;
}

Value PrintValues(Run& run, Args args) {
  if (args.size() == 1 && args[0].is_string()) return args[0];
  Buffer out(run);
  Print(run, *out, args, false);
  return run.Text(*out);
}

Value PrintLine(Run& run, Args args) {
  Buffer out(run);
  Print(run, *out, args, true);
  return run.Text(*out);
}

Value PrintFormat(Run& run, Args args) {
  Buffer out(run);
  Printf(run, *out, args[0].text, args.subspan(1));
  return run.Text(*out);
}

// What the escaping functions see of their arguments.
void Joined(Run& run, std::string& out, Args args) {
  if (args.size() == 1 && args[0].is_string()) {
    out.append(args[0].text);
    return;
  }
  ValueBuffer printable(run);
  for (const Value& arg : args) printable->push_back(arg.is_nothing() ? Value::String("<no value>") : arg);
  Print(run, out, *printable, false);
}

Value Html(Run& run, Args args) {
  Buffer in(run), out(run);
  Joined(run, *in, args);
  for (const char c : *in) {
    switch (c) {
      case '\0': out->append("\xEF\xBF\xBD"); break;
      case '"': out->append("&#34;"); break;
      case '\'': out->append("&#39;"); break;
      case '&': out->append("&amp;"); break;
      case '<': out->append("&lt;"); break;
      case '>': out->append("&gt;"); break;
      default: out->push_back(c);
    }
  }
  return run.Text(*out);
}

void AppendJs(std::string& out, char32_t rune) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  switch (rune) {
    case '\\': out.append("\\\\"); return;
    case '\'': out.append("\\'"); return;
    case '"': out.append("\\\""); return;
    default: break;
  }
  const bool markup = rune == '<' || rune == '>' || rune == '&' || rune == '=';
  if (!markup && rune >= ' ' && (rune < 0x7F || (rune >= 0x80 && IsPrint(rune)))) return AppendRune(out, rune);
  if (rune == 0x7F) {
    out.push_back('\x7f');
    return;
  }
  out.append("\\u");
  const int width = rune < 0x10000 ? 4 : rune < 0x100000 ? 5 : 6;
  for (int i = width; i-- > 0;) out.push_back(kHex[(rune >> (4 * i)) & 15]);
}

Value Js(Run& run, Args args) {
  Buffer in(run), out(run);
  Joined(run, *in, args);
  for (size_t at = 0; at < in->size();) {
    const Decoded next = DecodeRune(*in, at);
    if (IsInvalid(next)) {
      out->push_back((*in)[at]);
    } else {
      AppendJs(*out, next.rune);
    }
    at += next.size;
  }
  return run.Text(*out);
}

Value UrlQuery(Run& run, Args args) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  constexpr std::string_view kPlain = "-_.~";
  Buffer in(run), out(run);
  Joined(run, *in, args);
  for (const char c : *in) {
    const auto byte = static_cast<unsigned char>(c);
    const bool word = byte < 0x80 && (IsLetter(byte) || IsDigit(byte));
    if (word || kPlain.find(c) != std::string_view::npos) {
      out->push_back(c);
    } else if (c == ' ') {
      out->push_back('+');
    } else {
      out->push_back('%');
      out->push_back(kHex[byte >> 4]);
      out->push_back(kHex[byte & 15]);
    }
  }
  return run.Text(*out);
}

Value CallValue(Run& run, Args /*args*/) { return run.Fail("call needs a function, and no value here is one"); }

// Integers of any type, floats, strings and bools can be compared with their like.
bool IsBasic(const Value& v) {
  return v.kind == Kind::kBool || v.kind == Kind::kInt || v.kind == Kind::kFloat || v.kind == Kind::kComplex ||
         v.kind == Kind::kString;
}

std::optional<bool> Equal(Run& run, const Value& a, const Value& b) {
  if (a.is_nothing() || b.is_nothing()) return a.is_nothing() && b.is_nothing();
  if (IsBasic(a) || IsBasic(b)) {
    if (a.kind != b.kind) return run.Fail("incompatible types for comparison"), std::nullopt;
    switch (a.kind) {
      case Kind::kBool: return a.flag == b.flag;
      case Kind::kInt: return a.integer == b.integer;
      case Kind::kFloat: return a.real == b.real;
      case Kind::kComplex: return SameNumber(*a.complex, *b.complex);
      default: return a.text == b.text;
    }
  }
  if (a.kind == Kind::kTime && b.kind == Kind::kTime) {
    return a.time->time == b.time->time && a.time->zone == b.time->zone;
  }
  if (a.kind == Kind::kVersion && b.kind == Kind::kVersion) return a.version == b.version;
  return run.Fail("values of this type cannot be compared"), std::nullopt;
}

Value Eq(Run& run, Args args) {
  if (args.size() == 1) return run.Fail("missing argument for comparison");
  for (size_t i = 1; i < args.size(); ++i) {
    const auto equal = Equal(run, args[0], args[i]);
    if (!equal) return {};
    if (*equal) return Value::Bool(true);
  }
  return Value::Bool(false);
}

Value Ne(Run& run, Args args) {
  const auto equal = Equal(run, args[0], args[1]);
  return equal ? Value::Bool(!*equal) : Value();
}

std::optional<bool> Less(Run& run, const Value& a, const Value& b) {
  const auto unordered = [](const Value& v) { return v.kind == Kind::kBool || v.kind == Kind::kComplex; };
  if (!IsBasic(a) || !IsBasic(b) || (a.kind == b.kind && unordered(a))) {
    return run.Fail("values of this type have no order"), std::nullopt;
  }
  if (a.kind != b.kind) return run.Fail("incompatible types for comparison"), std::nullopt;
  if (a.kind == Kind::kInt) return a.integer < b.integer;
  return a.kind == Kind::kFloat ? a.real < b.real : a.text < b.text;
}

Value Lt(Run& run, Args args) {
  const auto less = Less(run, args[0], args[1]);
  return less ? Value::Bool(*less) : Value();
}

Value Le(Run& run, Args args) {
  const auto less = Less(run, args[0], args[1]);
  if (!less || *less) return less ? Value::Bool(true) : Value();
  const auto equal = Equal(run, args[0], args[1]);
  return equal ? Value::Bool(*equal) : Value();
}

Value Gt(Run& run, Args args) {
  const Value at_most = Le(run, args);
  return Value::Bool(!at_most.flag);
}

Value Ge(Run& run, Args args) {
  const Value less = Lt(run, args);
  return Value::Bool(!less.flag);
}

constexpr Function kGoFunctions[] = {
    {"and", "v*", nullptr},  // the interpreter's own: they stop early
    {"or", "v*", nullptr},
    {"not", "v", Not},
    {"len", "v", Len},
    {"index", "vv*", Index},
    {"print", "a*", PrintValues},
    {"println", "a*", PrintLine},
    {"printf", "sa*", PrintFormat},
    {"html", "a*", Html},
    {"js", "a*", Js},
    {"urlquery", "a*", UrlQuery},
    {"call", "vv*", CallValue},
    {"eq", "vv*", Eq},
    {"ne", "vv", Ne},
    {"lt", "vv", Lt},
    {"le", "vv", Le},
    {"gt", "vv", Gt},
    {"ge", "vv", Ge},
};

}  // namespace

std::span<const Function> GoFunctions() { return kGoFunctions; }

}  // namespace agent::text::tmpl
