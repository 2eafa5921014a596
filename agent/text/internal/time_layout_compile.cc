// SPDX-License-Identifier: Apache-2.0
// Finds the elements of a layout: the pieces of the reference time
// Mon Jan 2 15:04:05 MST 2006. Everything else is literal text.
#include "agent/text/internal/time_layout.h"

namespace agent::text {
namespace {

bool DigitAt(std::string_view text, size_t at) {
  return at < text.size() && text[at] >= '0' && text[at] <= '9';
}
bool LowerAt(std::string_view text, size_t at) {
  return at < text.size() && text[at] >= 'a' && text[at] <= 'z';
}

}  // namespace

bool TimeLayout::NameStep(std::string_view rest, Step& step, size_t& length) {
  const auto is = [&](std::string_view word, Kind kind) {
    if (!rest.starts_with(word)) return false;
    step.kind = kind;
    length = word.size();
    return true;
  };
  switch (rest[0]) {
    case 'J':
      return is("January", Kind::kLongMonthName) || (!LowerAt(rest, 3) && is("Jan", Kind::kMonthName));
    case 'M':
      return is("Monday", Kind::kLongDayName) || (!LowerAt(rest, 3) && is("Mon", Kind::kDayName)) ||
             is("MST", Kind::kZoneName);
    case 'P':
      return is("PM", Kind::kUpperPm);
    case 'p':
      return is("pm", Kind::kLowerPm);
    default:
      return false;
  }
}

bool TimeLayout::NumericStep(std::string_view rest, Step& step, size_t& length) {
  static constexpr Kind kZeroed[] = {Kind::kZeroMonth,  Kind::kZeroDay,    Kind::kZeroHour12,
                                     Kind::kZeroMinute, Kind::kZeroSecond, Kind::kYear};
  const auto is = [&](Kind kind, size_t size) {
    step.kind = kind;
    length = size;
    return true;
  };
  switch (rest[0]) {
    case '0':
      if (rest.size() >= 2 && rest[1] >= '1' && rest[1] <= '6') return is(kZeroed[rest[1] - '1'], 2);
      return rest.starts_with("002") && is(Kind::kZeroYearDay, 3);
    case '1':
      return rest.starts_with("15") ? is(Kind::kHour, 2) : is(Kind::kMonth, 1);
    case '2':
      return rest.starts_with("2006") ? is(Kind::kLongYear, 4) : is(Kind::kDay, 1);
    case '3':
      return is(Kind::kHour12, 1);
    case '4':
      return is(Kind::kMinute, 1);
    case '5':
      return is(Kind::kSecond, 1);
    case '_':
      if (rest.starts_with("_2006")) return false;  // a literal _ and then the year
      if (rest.starts_with("_2")) return is(Kind::kSpaceDay, 2);
      return rest.starts_with("__2") && is(Kind::kSpaceYearDay, 3);
    default:
      return false;
  }
}

bool TimeLayout::OffsetStep(std::string_view rest, Step& step, size_t& length) {
  struct Spelling {
    std::string_view text;
    bool colons;
    uint8_t numbers;
  };
  // In this order, as `-07` begins them all.
  static constexpr Spelling kSpellings[] = {
      {"070000", false, 3}, {"07:00:00", true, 3}, {"0700", false, 2}, {"07:00", true, 2}, {"07", false, 1}};
  for (const Spelling& spelling : kSpellings) {
    if (!rest.substr(1).starts_with(spelling.text)) continue;
    step.kind = Kind::kOffset;
    step.form = {rest[0] == 'Z', spelling.colons, spelling.numbers};
    length = 1 + spelling.text.size();
    return true;
  }
  return false;
}

bool TimeLayout::FractionStep(std::string_view rest, Step& step, size_t& length) {
  if (rest.size() < 2 || (rest[1] != '0' && rest[1] != '9')) return false;
  size_t end = 1;
  while (end < rest.size() && rest[end] == rest[1]) ++end;
  if (DigitAt(rest, end)) return false;  // not only a fraction's digits
  step.kind = rest[1] == '0' ? Kind::kFraction : Kind::kOptionalFraction;
  step.digits = static_cast<uint8_t>(end - 1 > 255 ? 255 : end - 1);
  length = end;
  return true;
}

bool TimeLayout::NextStep(std::string_view layout, size_t at, Step& step, size_t& length) {
  const std::string_view rest = layout.substr(at);
  switch (rest[0]) {
    case '-':
    case 'Z':
      return OffsetStep(rest, step, length);
    case '.':
    case ',':
      return FractionStep(rest, step, length);
    case 'J':
    case 'M':
    case 'P':
    case 'p':
      return NameStep(rest, step, length);
    default:
      return NumericStep(rest, step, length);
  }
}

TimeLayout::TimeLayout(std::string_view layout) {
  size_t begin = 0;
  for (size_t at = 0; at < layout.size();) {
    Step step;
    size_t length = 0;
    if (!NextStep(layout, at, step, length)) {
      ++at;
      continue;
    }
    step.prefix = layout.substr(begin, at - begin);
    steps_.push_back(std::move(step));
    at += length;
    begin = at;
  }
  steps_.push_back({std::string(layout.substr(begin)), Kind::kEnd, {}, 0});
}

}  // namespace agent::text
