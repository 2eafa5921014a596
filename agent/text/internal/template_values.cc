// SPDX-License-Identifier: Apache-2.0
// Sprig's functions of any value: defaults, types, flow; and the table of all groups.
#include <algorithm>
#include <array>
#include <cstdlib>

#include "agent/text/internal/template_functions.h"

namespace agent::text::tmpl {
namespace {

Value Default(Run& /*run*/, Args args) {
  return args.size() < 2 || IsEmpty(args[1]) ? args[0] : args[1];
}

Value Empty(Run& /*run*/, Args args) { return Value::Bool(IsEmpty(args[0])); }

Value Coalesce(Run& /*run*/, Args args) {
  const auto found = std::find_if(args.begin(), args.end(), [](const Value& v) { return !IsEmpty(v); });
  return found == args.end() ? Value::Nil() : *found;
}

Value All(Run& /*run*/, Args args) { return Value::Bool(std::none_of(args.begin(), args.end(), IsEmpty)); }
Value Any(Run& /*run*/, Args args) { return Value::Bool(!std::all_of(args.begin(), args.end(), IsEmpty)); }
Value Ternary(Run& /*run*/, Args args) { return args[2].flag ? args[0] : args[1]; }
Value FailWith(Run& run, Args args) { return run.Fail("the template fails: ", args[0].text); }

Value TypeOf(Run& run, Args args) { return run.Text(TypeName(args[0])); }
Value KindOf(Run& run, Args args) { return run.Text(KindName(args[0])); }
Value TypeIs(Run& /*run*/, Args args) { return Value::Bool(args[0].text == TypeName(args[1])); }
Value KindIs(Run& /*run*/, Args args) { return Value::Bool(args[0].text == KindName(args[1])); }

Value TypeIsLike(Run& /*run*/, Args args) {
  const std::string_view type = TypeName(args[1]);
  return Value::Bool(args[0].text == type || (type.starts_with('*') && args[0].text == type.substr(1)));
}

Value AreDeepEqual(Run& run, Args args) {
  for (const Value& arg : args) {
    if (arg.kind == Kind::kMap) run.Fill(*arg.map);
  }
  return Value::Bool(Same(run, args[0], args[1]));
}

Value ToStringValue(Run& run, Args args) { return Value::String(ToText(run, args[0])); }

// -- the environment: fixed for the life of the process --

std::string_view Environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): nobody calls setenv
  return value == nullptr ? std::string_view() : std::string_view(value);
}

Value Env(Run& run, Args args) { return run.Text(Environment(std::string(args[0].text))); }

bool IsNameByte(char c) {
  return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// $name, ${name}, and the shell's one-character names.
size_t TakeVariable(std::string_view rest, std::string& name) {
  constexpr std::string_view kSpecial = "*#$@!?-0123456789";
  name.clear();
  if (rest.starts_with('{')) {
    const size_t end = rest.find('}');
    if (rest.size() > 2 && kSpecial.find(rest[1]) != std::string_view::npos && rest[2] == '}') {
      name = rest[1];
      return 3;
    }
    if (end == std::string_view::npos) return 1;
    name = rest.substr(1, end - 1);
    return end == 1 ? 2 : end + 1;
  }
  if (!rest.empty() && kSpecial.find(rest[0]) != std::string_view::npos) {
    name = rest[0];
    return 1;
  }
  size_t length = 0;
  while (length < rest.size() && IsNameByte(rest[length])) ++length;
  name = rest.substr(0, length);
  return length;
}

Value ExpandEnv(Run& run, Args args) {
  Buffer out(run);
  std::string name;
  std::string_view rest = args[0].text;
  for (size_t dollar = rest.find('$'); dollar != std::string_view::npos && dollar + 1 < rest.size();
       dollar = rest.find('$')) {
    out->append(rest.substr(0, dollar));
    rest.remove_prefix(dollar + 1);
    const size_t taken = TakeVariable(rest, name);
    if (!name.empty()) {
      out->append(Environment(name));
    } else if (taken == 0) {
      out->push_back('$');  // it begins no name
    }
    rest.remove_prefix(taken);
    if (!run.Room(out->size())) return {};
  }
  out->append(rest);
  return run.Text(*out);
}

constexpr Function kValueFunctions[] = {
    {"default", "aa*", Default},
    {"empty", "a", Empty},
    {"coalesce", "a*", Coalesce},
    {"all", "a*", All},
    {"any", "a*", Any},
    {"ternary", "aab", Ternary},
    {"fail", "s", FailWith},
    {"typeOf", "a", TypeOf},
    {"kindOf", "a", KindOf},
    {"typeIs", "sa", TypeIs},
    {"kindIs", "sa", KindIs},
    {"typeIsLike", "sa", TypeIsLike},
    {"deepEqual", "aa", AreDeepEqual},
    {"toString", "a", ToStringValue},
    {"env", "s", Env},
    {"expandenv", "s", ExpandEnv},
};

struct LeftOut {
  std::string_view name;
  std::string_view why;
};

constexpr std::string_view kKeys = "it makes keys or certificates, which has no place in a log pipeline";
constexpr std::string_view kPasswords = "it hashes passwords, slowly on purpose, which has no place in a log pipeline";
constexpr std::string_view kSecrets = "a log pipeline should not hold the key of a cipher; use Hash or Sha2Hash";
constexpr std::string_view kNetwork = "it would ask the network once per line";

constexpr LeftOut kLeftOut[] = {
    {"genPrivateKey", kKeys},        {"genCA", kKeys},
    {"genCAWithKey", kKeys},         {"genSelfSignedCert", kKeys},
    {"genSelfSignedCertWithKey", kKeys}, {"genSignedCert", kKeys},
    {"genSignedCertWithKey", kKeys}, {"buildCustomCert", kKeys},
    {"derivePassword", kPasswords},  {"bcrypt", kPasswords},
    {"htpasswd", kPasswords},        {"encryptAES", kSecrets},
    {"decryptAES", kSecrets},        {"getHostByName", kNetwork},
};

const Function* FindIn(std::span<const Function> functions, std::string_view name) {
  const auto found =
      std::find_if(functions.begin(), functions.end(), [name](const Function& f) { return f.name == name; });
  return found == functions.end() ? nullptr : &*found;
}

}  // namespace

// Promtail's own win over Sprig's, and those over Go's.
const Function* FindFunction(std::string_view name) {
  const std::array groups = {PromtailFunctions(), HashFunctions(),     StringFunctions(),  WordFunctions(),
                             ListFunctions(),     SequenceFunctions(), DictFunctions(),    MathFunctions(),
                             DateFunctions(),     ValueFunctions(),    EncodingFunctions(), RegexFunctions(),
                             JsonFunctions(),     UrlFunctions(),      PathFunctions(),    VersionFunctions(),
                             RandomFunctions(),   GoFunctions()};
  for (const auto& group : groups) {
    if (const Function* found = FindIn(group, name); found != nullptr) return found;
  }
  return nullptr;
}

std::string_view WhyLeftOut(std::string_view name) {
  const auto* found = std::find_if(std::begin(kLeftOut), std::end(kLeftOut),
                                   [name](const LeftOut& function) { return function.name == name; });
  return found == std::end(kLeftOut) ? std::string_view() : found->why;
}

const Function* FindMethod(const Value& receiver, std::string_view name) {
  switch (receiver.kind) {
    case Kind::kTime: return FindIn(TimeMethods(), name);
    case Kind::kVersion: return FindIn(VersionMethods(), name);
    case Kind::kInt: return receiver.int_type == IntType::kDuration ? FindIn(DurationMethods(), name) : nullptr;
    default: return nullptr;
  }
}

bool Same(Run& run, const Value& a, const Value& b) {
  const bool same = DeepEqual(a, b, run.steps());
  return run.steps() > 0 ? same : run.Charge();
}

bool IsEmpty(const Value& value) { return !IsTrue(value); }

std::string_view ToText(Run& run, const Value& value) {
  if (value.is_string()) return value.text;
  Buffer text(run);
  AppendValue(run, *text, value);
  return run.Keep(*text);
}

std::span<const Function> ValueFunctions() { return kValueFunctions; }

}  // namespace agent::text::tmpl
