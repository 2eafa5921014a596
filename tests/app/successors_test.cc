// SPDX-License-Identifier: Apache-2.0
#include "agent/app/internal/successors.h"

#include <gtest/gtest.h>

namespace agent::app {
namespace {

using Found = std::vector<std::optional<uint32_t>>;
constexpr std::nullopt_t kGone = std::nullopt;

// Two clients without a name were one to the agent: the first one's address got the
// batches of both, the second one's nothing.
TEST(Successors, ClientsWithoutANameAreDifferentClients) {
  const std::vector<ClientKey> three = {{"", "http://a", ""}, {"n", "http://b", ""}, {"", "http://c", "t"}};
  EXPECT_EQ(Successors(three, three), (Found{0, 1, 2}));
  const std::vector<ClientKey> same_url = {{"", "http://a", "one"}, {"", "http://a", "two"}};
  EXPECT_EQ(Successors(same_url, same_url), (Found{0, 1}));
  const std::vector<ClientKey> turned = {{"", "http://a", "two"}, {"", "http://a", "one"}};
  EXPECT_EQ(Successors(same_url, turned), (Found{1, 0}));
}

TEST(Successors, NamedClientsAreFollowedByTheirName) {
  const std::vector<ClientKey> before = {{"x", "http://a", ""}, {"y", "http://b", ""}};
  EXPECT_EQ(Successors(before, {{"y", "http://a", "t"}, {"x", "http://b", ""}}), (Found{1, 0}));
  EXPECT_EQ(Successors(before, {{"y", "http://a", ""}}), (Found{kGone, 0}));
  EXPECT_EQ(Successors(before, {{"", "http://a", ""}}), (Found{kGone, kGone}));
}

TEST(Successors, OneWithoutANameIsFollowedByWhatIsMostLikeIt) {
  const std::vector<ClientKey> before = {{"", "http://a", ""}, {"", "http://b", ""}};
  EXPECT_EQ(Successors(before, {{"", "http://b", ""}}), (Found{kGone, 0}));
  EXPECT_EQ(Successors(before, {{"", "http://b", "t"}, {"", "http://new", ""}}), (Found{1, 0}));
  EXPECT_EQ(Successors(before, {{"", "http://a", ""}, {"", "http://new", ""}}), (Found{0, 1}));
  EXPECT_EQ(Successors(before, {{"n", "http://a", ""}, {"", "http://new", ""}}), (Found{1, kGone}));
  EXPECT_EQ(Successors(before, {}), (Found{kGone, kGone}));
}

}  // namespace
}  // namespace agent::app
