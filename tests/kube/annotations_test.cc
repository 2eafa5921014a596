// SPDX-License-Identifier: Apache-2.0
#include "agent/kube/annotations.h"

#include <gmock/gmock.h>

namespace agent::kube {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

LabelMap Wish(const std::string& name, const std::string& value) {
  return {{"__meta_kubernetes_namespace", "shop"},
          {"__meta_kubernetes_pod_name", "cart-1"},
          {"__meta_kubernetes_pod_annotation_sluice_io_" + name, value}};
}

TEST(AnnotationsTest, WithoutAnyNothingIsAskedFor) {
  const PodWishes wishes = ReadWishes({{"__meta_kubernetes_pod_annotation_checksum", "1"}}, {"java"});
  EXPECT_FALSE(wishes.any());
  EXPECT_TRUE(wishes.problems.empty());
}

TEST(AnnotationsTest, GoodOnesAreTaken) {
  EXPECT_TRUE(ReadWishes(Wish("exclude", "true"), {}).exclude);
  EXPECT_FALSE(ReadWishes(Wish("exclude", "false"), {}).exclude);
  EXPECT_EQ(ReadWishes(Wish("pipeline", "java"), {"go", "java"}).pipeline, "java");
  EXPECT_EQ(ReadWishes(Wish("multiline_firstline", "^\\d"), {}).multiline_firstline, "^\\d");
}

TEST(AnnotationsTest, BadOnesHaveNoEffectAndAreNamedWithThePod) {
  for (const auto& [name, value, said] : std::vector<std::tuple<std::string, std::string, std::string>>{
           {"exclude", "perhaps", "neither true nor false"},
           {"pipeline", "jav", "did you mean \"java\"?"},
           {"multiline_firstline", "(", "no regular expression"},
           {"multiline_firstline", std::string(2000, 'x'), "longer than 1024 bytes"}}) {
    const PodWishes wishes = ReadWishes(Wish(name, value), {"java"});
    EXPECT_FALSE(wishes.any()) << name;
    EXPECT_THAT(wishes.problems, ElementsAre(HasSubstr(said)));
    EXPECT_THAT(wishes.problems, ElementsAre(HasSubstr("pod shop/cart-1: annotation sluice.io/")));
  }
}

TEST(AnnotationsTest, TheirLabelsAreWanted) {
  EXPECT_TRUE(IsWish("__meta_kubernetes_pod_annotation_sluice_io_multiline_firstline"));
  EXPECT_FALSE(IsWish("__meta_kubernetes_pod_annotation_checksum"));
}

}  // namespace
}  // namespace agent::kube
