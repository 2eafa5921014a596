// SPDX-License-Identifier: Apache-2.0
// Sprig's random functions, from the scratch's seeded generator: good for sampling
// and made-up identifiers, not for secrets.
#include <algorithm>

#include "agent/text/internal/template_functions.h"
#include "agent/text/internal/template_text.h"
#include "agent/text/internal/template_unicode.h"

namespace agent::text::tmpl {
namespace {

constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kLettersAndDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::string_view kPrintable =
    " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";

Value RandomText(Run& run, int64_t length, std::string_view from) {
  if (length <= 0) return Value::String({});
  char* to = run.NewBytes(static_cast<size_t>(length));
  if (to == nullptr) return {};
  for (int64_t i = 0; i < length; ++i) to[i] = from[run.Random() % from.size()];
  return Value::String({to, static_cast<size_t>(length)});
}

Value Alpha(Run& run, Args args) { return RandomText(run, args[0].integer, kLetters); }
Value AlphaNum(Run& run, Args args) { return RandomText(run, args[0].integer, kLettersAndDigits); }
Value Numeric(Run& run, Args args) { return RandomText(run, args[0].integer, kDigits); }
Value Ascii(Run& run, Args args) { return RandomText(run, args[0].integer, kPrintable); }

Value RandInt(Run& run, Args args) {
  const auto range = static_cast<uint64_t>(args[1].integer) - static_cast<uint64_t>(args[0].integer);
  if (static_cast<int64_t>(range) <= 0) return run.Fail("randInt needs two numbers, the smaller one first");
  return Value::Int(static_cast<int64_t>(static_cast<uint64_t>(args[0].integer) + run.Random() % range));
}

// That many random bytes, in base64.
Value RandBytes(Run& run, Args args) {
  if (args[0].integer < 0) return run.Fail("randBytes needs a length that is not negative");
  Value bytes = RandomText(run, args[0].integer, kLetters);
  if (run.failed()) return {};
  char* at = const_cast<char*>(bytes.text.data());
  for (size_t i = 0; i < bytes.text.size(); ++i) at[i] = static_cast<char>(run.Random());
  return FindFunction("b64enc")->call(run, Args(&bytes, 1));
}

Value Shuffle(Run& run, Args args) {
  ValueBuffer runes(run);
  SplitText(run, args[0].text, {}, -1, *runes);
  for (size_t i = runes->size(); i > 1; --i) std::swap((*runes)[i - 1], (*runes)[run.Random() % i]);
  Buffer out(run);
  for (const Value& rune : *runes) out->append(rune.text);
  return run.Text(*out);
}

Value Uuid(Run& run, Args /*args*/) {
  constexpr std::string_view kShape = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";
  char* to = run.NewBytes(kShape.size());
  if (to == nullptr) return {};
  for (size_t i = 0; i < kShape.size(); ++i) {
    const uint64_t random = run.Random() >> 32;
    const char c = kShape[i];
    to[i] = c == 'x' ? "0123456789abcdef"[random & 15] : c == 'y' ? "89ab"[random & 3] : c;
  }
  return Value::String({to, kShape.size()});
}

constexpr Function kRandomFunctions[] = {
    {"randAlpha", "i", Alpha},     {"randAlphaNum", "i", AlphaNum}, {"randNumeric", "i", Numeric},
    {"randAscii", "i", Ascii},     {"randInt", "ii", RandInt},      {"randBytes", "i", RandBytes},
    {"shuffle", "s", Shuffle},     {"uuidv4", "", Uuid},
};

}  // namespace

std::span<const Function> RandomFunctions() { return kRandomFunctions; }

}  // namespace agent::text::tmpl
