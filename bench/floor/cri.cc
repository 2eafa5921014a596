// SPDX-License-Identifier: Apache-2.0
#include "bench/floor/cri.h"

#include <cstring>

namespace bench {
namespace {

inline uint32_t Digit(char c) { return static_cast<uint32_t>(static_cast<unsigned char>(c)) - '0'; }
inline uint32_t Two(const char* p) { return Digit(p[0]) * 10 + Digit(p[1]); }

// Days since 1970 of a civil date (proleptic Gregorian).
int64_t Days(int64_t year, uint32_t month, uint32_t day) {
  year -= month <= 2;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const auto year_of_era = static_cast<uint32_t>(year - era * 400);
  const uint32_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const uint32_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + static_cast<int64_t>(day_of_era) - 719468;
}

}  // namespace

bool ReadCriLine(std::string_view line, CriLine* out) {
  // The shortest: "2006-01-02T15:04:05Z stdout F "
  if (line.size() < 30) return false;
  const char* p = line.data();
  static thread_local char known[19] = {};
  static thread_local int64_t known_seconds = 0;
  if (std::memcmp(known, p, sizeof known) != 0) {
    for (const int i : {0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18}) {
      if (Digit(p[i]) > 9) return false;
    }
    if (p[4] != '-' || p[7] != '-' || p[10] != 'T' || p[13] != ':' || p[16] != ':') return false;
    std::memcpy(known, p, sizeof known);
    known_seconds = Days(Two(p) * 100 + Two(p + 2), Two(p + 5), Two(p + 8)) * 86400 + Two(p + 11) * 3600 +
                    Two(p + 14) * 60 + Two(p + 17);
  }
  out->seconds = known_seconds;
  p += 19;
  uint32_t nanos = 0;
  if (*p == '.') {
    ++p;
    int digits = 0;
    for (; digits < 9 && Digit(*p) <= 9; ++digits, ++p) nanos = nanos * 10 + Digit(*p);
    for (; digits < 9; ++digits) nanos *= 10;
  }
  out->nanos = nanos;
  const char* const end = line.data() + line.size();
  if (end - p < 11 || *p != 'Z') return false;
  if (std::memcmp(p, "Z stdout ", 9) == 0) {
    out->is_stderr = false;
  } else if (std::memcmp(p, "Z stderr ", 9) == 0) {
    out->is_stderr = true;
  } else {
    return false;
  }
  if ((p[9] != 'F' && p[9] != 'P') || p[10] != ' ') return false;
  out->partial = p[9] == 'P';
  p += 11;
  out->content = {p, static_cast<size_t>(end - p)};
  return true;
}

}  // namespace bench
