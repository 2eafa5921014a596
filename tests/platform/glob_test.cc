// SPDX-License-Identifier: Apache-2.0
#include "agent/platform/glob.h"

#include <gtest/gtest.h>

namespace agent::platform {
namespace {

struct Case {
  const char* pattern;
  const char* path;
  bool matches;
};

constexpr Case kCases[] = {
    {"/var/log/app.log", "/var/log/app.log", true},
    {"/var/log/app.log", "/var/log/app.log.1", false},
    {"/var/log/*.log", "/var/log/app.log", true},
    {"/var/log/*.log", "/var/log/.log", true},  // a dot at the front is nothing special
    {"/var/log/*.log", "/var/log/sub/app.log", false},
    {"/var/log/*", "/var/log", false},
    {"/var/log/a*b*c", "/var/log/axxbyybzc", true},
    {"/var/log/a*b*c", "/var/log/axxbyyb", false},
    {"/var/log/?.log", "/var/log/a.log", true},
    {"/var/log/?.log", "/var/log/ab.log", false},
    {"/var/log/?.log", "/var/log/\xC3\xA4.log", true},  // one character, two bytes
    {"/v/[a-c]x", "/v/bx", true},
    {"/v/[a-c]x", "/v/dx", false},
    {"/v/[^a-c]x", "/v/dx", true},
    {"/v/[!a-c]x", "/v/ax", false},
    {"/v/[\\]a]x", "/v/]x", true},
    {"/v/[a\\-c]x", "/v/bx", false},
    {"/v/[a\\-c]x", "/v/-x", true},
    {"/v/{a,b}.log", "/v/b.log", true},
    {"/v/{a,b}.log", "/v/c.log", false},
    {"/v/{a,b/c}.log", "/v/b/c.log", true},
    {"/v/{a,{b,c}d}.log", "/v/cd.log", true},
    {"/v/a{,.1}", "/v/a", true},
    {"/v/\\{a,b\\}", "/v/{a,b}", true},
    {"/v/\\*", "/v/*", true},
    {"/v/\\*", "/v/a", false},
    {"/v/**/x.log", "/v/x.log", true},
    {"/v/**/x.log", "/v/a/b/c/x.log", true},
    {"/v/**/x.log", "/w/x.log", false},
    {"/v/**", "/v/a/b", true},
    {"/v/**/**/x", "/v/x", true},
    {"/v/a**b", "/v/aXb", true},
    {"/v/a**b", "/v/a/b", false},
    {"/**/*.log", "/a.log", true},
    {"/var//log/./a", "/var/log/a", true},
    {"/var/log/pods/*/*/*.log", "/var/log/pods/ns_pod_uid/app/0.log", true},
    {"/var/log/pods/*/*/*.log", "/var/log/pods/ns_pod_uid/app/0.log.20240101-000000", false},
    {"/var/log/pods/*1234/app/*.log", "/var/log/pods/ns_pod_1234/app/12.log", true},
};

TEST(Glob, MatchesPathsAsPromtailDoes) {
  for (const Case& c : kCases) {
    const auto glob = Glob::Parse(c.pattern);
    ASSERT_TRUE(glob.has_value()) << c.pattern;
    EXPECT_EQ(glob->Matches(c.path), c.matches) << c.pattern << " on " << c.path;
  }
}

TEST(Glob, RefusesWhatIsNoPatternInOneSentence) {
  for (const auto& [pattern, why] : {std::pair{"/v/[a", "a \"[\" has no \"]\""},
                                     {"/v/[]a]", "a \"[\" has no \"]\""},  // as Promtail: a class is not empty
                                     {"/v/{a,b", "a \"{\" has no \"}\""},
                                     {"/v/a\\", "a backslash at the end quotes nothing"},
                                     {"var/log", "is not an absolute path"}}) {
    const auto glob = Glob::Parse(pattern);
    ASSERT_FALSE(glob.has_value()) << pattern;
    EXPECT_NE(glob.error().what.find(why), std::string::npos) << glob.error().what;
    EXPECT_NE(glob.error().what.find(pattern), std::string::npos) << glob.error().what;
  }
  std::string many = "/v/";
  for (int i = 0; i < 9; ++i) many += "{a,b}";
  EXPECT_FALSE(Glob::Parse(many).has_value());
}

TEST(Glob, TakesALiteralPathAsItIs) {
  const Glob glob = Glob::Literal("/var/log/[app].log");
  EXPECT_TRUE(glob.is_literal());
  EXPECT_TRUE(glob.Matches("/var/log/[app].log"));
  EXPECT_FALSE(glob.Matches("/var/log/a.log"));
  EXPECT_FALSE(Glob::Parse("/var/*.log")->is_literal());
}

}  // namespace
}  // namespace agent::platform
