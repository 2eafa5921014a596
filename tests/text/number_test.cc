// SPDX-License-Identifier: Apache-2.0
#include "agent/text/number.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

namespace agent::text {
namespace {

std::string Decimal(double value) {
  char out[kMaxNumberText];
  return {out, FormatDecimal(value, out)};
}

std::string Json(double value) {
  char out[kMaxNumberText];
  return {out, FormatJsonNumber(value, out)};
}

// As strconv.FormatFloat(value, 'f', -1, 64) of Go writes them.
TEST(FormatDecimal, NeverHasAnExponent) {
  const std::pair<double, const char*> cases[] = {
      {0, "0"},
      {-0.0, "-0"},
      {1, "1"},
      {-1, "-1"},
      {1562708916, "1562708916"},
      {9007199254740991, "9007199254740991"},
      {9007199254740993.0, "9007199254740992"},
      {0.1, "0.1"},
      {-2.5, "-2.5"},
      {0.0000001, "0.0000001"},
      {1e21, "1000000000000000000000"},
      {1e23, "100000000000000000000000"},
      {123456789012345678, "123456789012345680"},
      {100, "100"},
      {1e-5, "0.00001"},
      {12345.678, "12345.678"},
      {HUGE_VAL, "+Inf"},
      {-HUGE_VAL, "-Inf"},
      {std::numeric_limits<double>::quiet_NaN(), "NaN"},
  };
  for (const auto& [value, expected] : cases) {
    EXPECT_EQ(Decimal(value), expected);
  }
  EXPECT_EQ(Decimal(1.5e300), "15" + std::string(299, '0'));
  EXPECT_EQ(Decimal(5e-324), "0." + std::string(323, '0') + "5");
  EXPECT_EQ(Decimal(std::numeric_limits<double>::lowest()), "-17976931348623157" + std::string(292, '0'));
}

TEST(FormatJsonNumber, HasAnExponentWhereGoWritesOne) {
  const std::pair<double, const char*> cases[] = {
      {0, "0"},
      {-0.0, "-0"},
      {1e-6, "0.000001"},
      {9.9e-7, "9.9e-07"},
      {1e-7, "1e-07"},
      {1e-100, "1e-100"},
      {1e20, "100000000000000000000"},
      {1e21, "1e+21"},
      {-1.5e22, "-1.5e+22"},
      {1e100, "1e+100"},
  };
  for (const auto& [value, expected] : cases) EXPECT_EQ(Json(value), expected);
  EXPECT_EQ(Json(HUGE_VAL), "");
  EXPECT_EQ(Json(std::numeric_limits<double>::quiet_NaN()), "");
}

TEST(ParseFloat, TakesGoLiterals) {
  const std::pair<const char*, double> good[] = {
      {"0", 0},          {"-0", -0.0},
      {"+1.5", 1.5},     {"1e3", 1000},
      {"1E+3", 1000},    {".5", 0.5},
      {"5.", 5},         {"0x10p0", 16},
      {"0X1.8P1", 3},    {"-0x1p-1", -0.5},
      {"inf", HUGE_VAL}, {"-Infinity", -HUGE_VAL},
      {"1e-400", 0},     {"0.1", 0.1},
      {"1_0.2_5e1_0", 1.025e11}, {"-1_000", -1000}, {"0_1", 1}, {"0x_1p2", 4}, {"0xa_bp0", 171},
      {"00012", 12},     {"179769313486231570000000000000000000000", 1.7976931348623157e38},
  };
  for (const auto& [text, expected] : good) {
    double out = -1;
    EXPECT_TRUE(ParseFloat(text, out)) << text;
    EXPECT_EQ(out, expected) << text;
    EXPECT_EQ(std::signbit(out), std::signbit(expected)) << text;
  }
  double out = 0;
  EXPECT_TRUE(ParseFloat("NaN", out));
  EXPECT_TRUE(std::isnan(out));
  for (const char* bad : {"", "+", "-", ".", "e5", "1e", "1e400", "-1e400", "0x", "0x10", "1 ", " 1", "1,5",
                          "--1", "+-1", "1__0", "_1", "1_", "1_.5", "1._5", "0x1p_2", "1e_5", "1_e5", "0_x1p1",
                          "in_f", "-nan", "0x_", "infin", "x"}) {
    EXPECT_FALSE(ParseFloat(bad, out)) << bad;
  }
}

TEST(ParseInt, TakesDigitsAndASign) {
  long long out = 0;
  EXPECT_TRUE(ParseInt("9223372036854775807", out));
  EXPECT_EQ(out, std::numeric_limits<long long>::max());
  EXPECT_TRUE(ParseInt("-9223372036854775808", out));
  EXPECT_TRUE(ParseInt("+5", out));
  EXPECT_EQ(out, 5);
  for (const char* bad : {"", "+", "-", "+-5", "9223372036854775808", "1.5", "1e3", " 1", "0x10"}) {
    EXPECT_FALSE(ParseInt(bad, out)) << bad;
  }
}

}  // namespace
}  // namespace agent::text
