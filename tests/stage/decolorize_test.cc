// SPDX-License-Identifier: Apache-2.0
// What a real Promtail 3.6 makes of the same lines.
#include <gtest/gtest.h>

#include "tests/support/stage_harness.h"

namespace agent::test {
namespace {

struct Case {
  const char* line;
  const char* expected;  // as quoted
};

class Decolorizes : public testing::TestWithParam<Case> {};

TEST_P(Decolorizes, AsPromtailDoes) {
  StageHarness run("- decolorize:\n");
  ASSERT_EQ(run.problems(), "");
  EXPECT_EQ(run.Push({GetParam().line}), std::string("1.000000000 {} \"") + GetParam().expected + "\"\n");
}

#define ESC "\x1b"
INSTANTIATE_TEST_SUITE_P(
    Stage, Decolorizes,
    testing::Values(Case{ESC "[31mred" ESC "[0m plain " ESC "[1;32;40mx" ESC "[K", "red plain x"},
                    Case{ESC "]0;title\x07 rest", " rest"}, Case{ESC "[38;5;123mfoo" ESC "[m", "foo"},
                    Case{ESC, "\\x1b"}, Case{ESC "[", "\\x1b["}, Case{ESC "[12345m", "m"}, Case{"a" ESC "(Bb", "ab"},
                    Case{ESC "[?25h x " ESC "[2J", " x "}, Case{ESC "[31", ""}, Case{"\xC2\x9B" "31mhi", "hi"},
                    Case{ESC "Pq#0 x", "q#0 x"}, Case{ESC "]8;;http://x\x07link", "ttp://x\\alink"},
                    Case{ESC "[1;2;3;4;5Hx", "x"}, Case{ESC "[0;", ";"}, Case{ESC "=x" ESC ">y", "xy"},
                    Case{ESC "7" ESC "8", ""}, Case{"x\xff" ESC "[1mz", "x\\xffz"}, Case{ESC "[1m" ESC "[2m", ""},
                    Case{ESC ESC "[1m", "\\x1b"}, Case{ESC "[[[31m", ""}, Case{ESC "[;;;31m", ""},
                    Case{ESC "123456", "6"}, Case{ESC "abc\x07" "d", "d"}, Case{ESC "a;b;c\x07", ""},
                    Case{"no colour", "no colour"}, Case{"", ""}, Case{"\xC2 \x9B", "\\xc2 \\x9b"}));
#undef ESC

}  // namespace
}  // namespace agent::test
