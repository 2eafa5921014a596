// SPDX-License-Identifier: Apache-2.0
// The functions of templates: one table per group, one .cc per table. `types` names
// the Go type of each parameter, because Go refuses a value of another type:
//   s string   i int   b bool   f float64   m map[string]interface{}   t time.Time
//   p *semver.Version   a interface{}   v any value, missing ones included
// A `*` makes the last one variadic. A function gets exactly what `types` says; it
// reports trouble with run.Fail, and its result is then ignored.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "agent/text/internal/template_run.h"

namespace agent::text::tmpl {

struct Function {
  std::string_view name;
  std::string_view types;
  Value (*call)(Run& run, Args args);
};

const Function* FindFunction(std::string_view name);
// Why a function that Promtail has is not here, or empty.
std::string_view WhyLeftOut(std::string_view name);
// A method of the value's Go type (times, durations, versions), or null. The
// receiver is its first argument.
const Function* FindMethod(const Value& receiver, std::string_view name);

// -- the groups --
std::span<const Function> GoFunctions();
std::span<const Function> PromtailFunctions();
std::span<const Function> StringFunctions();
std::span<const Function> WordFunctions();
std::span<const Function> ListFunctions();
std::span<const Function> SequenceFunctions();
std::span<const Function> DictFunctions();
std::span<const Function> MathFunctions();
std::span<const Function> DateFunctions();
std::span<const Function> ValueFunctions();
std::span<const Function> EncodingFunctions();
std::span<const Function> HashFunctions();
std::span<const Function> RegexFunctions();
std::span<const Function> JsonFunctions();
std::span<const Function> UrlFunctions();
std::span<const Function> PathFunctions();
std::span<const Function> VersionFunctions();
std::span<const Function> RandomFunctions();
std::span<const Function> TimeMethods();
std::span<const Function> DurationMethods();
std::span<const Function> VersionMethods();

// -- what several groups need --

// fmt's %v of a value.
void AppendValue(Run& run, std::string& out, const Value& value);
// fmt.Sprintf, Sprint, Sprintln.
void Printf(Run& run, std::string& out, std::string_view format, Args args);
void Print(Run& run, std::string& out, Args args, bool line);
// Sprig's conversion to text: like %v.
std::string_view ToText(Run& run, const Value& value);
// Sprig's conversions to numbers; 0 for what is none.
int64_t ToInt64(const Value& value);
double ToFloat64(const Value& value);
// reflect.DeepEqual; a failure when it takes too many steps.
bool Same(Run& run, const Value& a, const Value& b);
// Sprig's `empty`.
bool IsEmpty(const Value& value);
// encoding/json. False: the value cannot be written (NaN, too deep).
bool WriteJson(Run& run, std::string& out, const Value& value, bool escape_html);
// Go's layouts.
void AppendTime(std::string& out, const TimeValue& time, std::string_view layout);
void AppendTimeText(std::string& out, const TimeValue& time);    // Time.String()
void AppendDuration(std::string& out, int64_t nanoseconds);      // Duration.String()
void AppendVersion(std::string& out, const Version& version);
// strconv.Quote; `ascii`: QuoteToASCII.
void AppendQuoted(std::string& out, std::string_view text, bool ascii = false);

}  // namespace agent::text::tmpl
