// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "agent/config/decode.h"

namespace agent::config {
namespace {

constexpr int64_t kBad = std::numeric_limits<int64_t>::min() + 1;

TEST(ParseValues, GoDurations) {
  // Checked against time.ParseDuration.
  const struct {
    const char* text;
    int64_t nanos;
  } kRows[] = {
      {"0", 0}, {"+0", 0}, {"-0", 0}, {"0s", 0}, {"1ns", 1}, {"1us", 1'000}, {"1\u00b5s", 1'000}, {"1\u03bcs", 1'000},
      {"300ms", 300'000'000}, {"1.5h", 5'400'000'000'000}, {"2h45m", 9'900'000'000'000}, {"-1.5s", -1'500'000'000},
      {"+5s", 5'000'000'000}, {".5s", 500'000'000}, {"1.s", 1'000'000'000}, {"1h1h", 7'200'000'000'000},
      {"0.100000000000000000000h", 360'000'000'000}, {"0.3333333333333333333h", 1'200'000'000'000},
      {"9223372036854775807ns", std::numeric_limits<int64_t>::max()}, {"-9223372036854775808ns", std::numeric_limits<int64_t>::min()},
      {"9223372036.854775807s", std::numeric_limits<int64_t>::max()}, {"1m0.000000001s", 60'000'000'001},
      {"", kBad}, {"-", kBad}, {".s", kBad}, {"3", kBad}, {"-3", kBad}, {"s", kBad}, {"+.s", kBad}, {"1d", kBad},
      {"1 s", kBad}, {" 1s", kBad}, {"1s ", kBad}, {"1x", kBad}, {"1e3s", kBad}, {"--1s", kBad}, {"1s-1s", kBad},
      {"9223372036854775808ns", kBad}, {"9223372036854775.808us", kBad}, {"3000000h", kBad}, {"99999999999999999999s", kBad},
      {"9223372036854775807ns1ns", kBad},
  };
  for (const auto& row : kRows) {
    const Result<Duration> got = ParseGoDuration(row.text);
    EXPECT_EQ(got ? got->count() : kBad, row.nanos) << "`" << row.text << "`";
  }
}

TEST(ParseValues, PrometheusDurations) {
  const struct {
    const char* text;
    int64_t millis;
  } kRows[] = {
      {"0", 0}, {"0s", 0}, {"5m", 300'000}, {"1h30m", 5'400'000}, {"1d", 86'400'000}, {"2w", 1'209'600'000},
      {"1y", 31'536'000'000}, {"1y2w3d4h5m6s7ms", 33'019'506'007}, {"324ms", 324}, {"290y", 9'145'440'000'000},
      {"", kBad}, {"1", kBad}, {"1.5h", kBad}, {"-1h", kBad}, {"5m1h", kBad}, {"1m1m", kBad}, {"1us", kBad},
      {"h", kBad}, {"1h ", kBad}, {"00", kBad}, {"300y", kBad}, {"99999999999999999999s", kBad},
  };
  for (const auto& row : kRows) {
    const Result<Duration> got = ParsePrometheusDuration(row.text);
    EXPECT_EQ(got ? got->count() / 1'000'000 : kBad, row.millis) << "`" << row.text << "`";
  }
}

TEST(ParseValues, Sizes) {
  constexpr uint64_t kNone = 12345;
  const struct {
    const char* text;
    uint64_t bytes;
  } kRows[] = {
      {"0", 0}, {"17", 17}, {"17b", 17}, {"17 B", 17}, {"256kb", 262144}, {"256KB", 262144}, {"1 kilobyte", 1024},
      {"2kilobytes", 2048}, {"1k", 1024}, {"1KiB", 1024}, {"1MB", 1 << 20}, {"1m", 1 << 20}, {"3GB", 3221225472},
      {"1t", 1ULL << 40}, {"1PB", 1ULL << 50}, {"15e", 15ULL << 60}, {"18446744073709551615", ~0ULL},
      {"", 0}, {" 5", kNone}, {"5 ", 5}, {"2kilo", 2048}, {"1mega", 1 << 20}, {"1kB", 1024}, {"1Kb", 1024},
      {"-1", kNone}, {"1.5MB", kNone}, {"MB", kNone}, {"1XB", kNone}, {"1 MB x", kNone}, {"16e", kNone},
      {"18446744073709551616", kNone}, {"0x10", kNone},
  };
  for (const auto& row : kRows) EXPECT_EQ(ParseBytes(row.text).value_or(kNone), row.bytes) << "`" << row.text << "`";
}

TEST(ParseValues, Booleans) {
  for (const char* yes : {"1", "t", "T", "true", "TRUE", "True"}) EXPECT_TRUE(ParseGoBool(yes).value_or(false)) << yes;
  for (const char* no : {"0", "f", "F", "false", "FALSE", "False"}) EXPECT_FALSE(ParseGoBool(no).value_or(true)) << no;
  for (const char* bad : {"", "yes", "tRUE", "on", "2", " true"}) EXPECT_FALSE(ParseGoBool(bad)) << bad;
}

TEST(ParseValues, ErrorsQuoteTheTextAndSayWhatToWrite) {
  EXPECT_EQ(ParseGoDuration("10").error().what, "`10` has no unit; write a duration such as 10s or 1h30m");
  EXPECT_EQ(ParseGoDuration("abc").error().what,
            "`abc` is not a duration; write a number with a unit, such as 300ms, 10s or 1h30m");
  EXPECT_EQ(ParsePrometheusDuration("1.5h").error().what,
            "`1.5h` is not a duration; write whole numbers with units from large to small, such as 1d, 5m or 1h30m");
  EXPECT_EQ(ParseBytes("16e").error().what, "`16e` is too large for a size");
  EXPECT_EQ(ParseGoBool("yes").error().what, "`yes` is not a yes or no; write true or false");
}

TEST(DidYouMean, FindsTheNearestWithinTwoTypingErrors) {
  const std::vector<std::string> kWords = {"url", "batchwait", "batchsize", "tenant_id", "timeout", "labels", "label"};
  const struct {
    const char* word;
    const char* meant;
  } kRows[] = {
      {"batchwiat", "batchwait"}, {"batch_wait", "batchwait"}, {"batchsizes", "batchsize"}, {"URL", "url"},
      {"tenant-id", "tenant_id"}, {"tenantid", "tenant_id"}, {"lables", "labels"}, {"lable", "label"},
      {"timout", "timeout"}, {"ulr", "url"}, {"abc", ""}, {"", ""}, {"x", ""}, {"relabel_configs", ""},
  };
  for (const auto& row : kRows) EXPECT_EQ(DidYouMean(row.word, kWords), row.meant) << row.word;
  EXPECT_EQ(DidYouMean(std::string(100'000, 'a'), kWords), "");
}

}  // namespace
}  // namespace agent::config
