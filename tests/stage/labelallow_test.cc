// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/support/stage_harness.h"

namespace agent::test {
namespace {

TEST(LabelAllowStage, RemovesAllOtherLabels) {
  ExpectStageCases({
      {"one label",
       "- static_labels: {x: v}\n"
       "- labelallow: [job]\n",
       {"l"},
       {R"(1.000000000 {job="test"} "l" <job="test">)"}},
      {"several",
       "- static_labels: {x: v, z: w}\n"
       "- labelallow: [x, job, nothing]\n",
       {"l"},
       {R"(1.000000000 {job="test", x="v"} "l" <job="test">)"}},
      {"none of them is there", "- labelallow: [nothing]\n", {"l"}, {R"(1.000000000 {} "l" <job="test">)"}},
      {"the tenant goes as well",
       "- tenant: {value: t}\n"
       "- labelallow: [job]\n",
       {"l"},
       {R"(1.000000000 {job="test"} "l" <job="test">)"}},
      {"unless it is named",
       "- tenant: {value: t}\n"
       "- labelallow: [__tenant_id__]\n",
       {"l"},
       {R"(1.000000000 {} "l" tenant="t" <job="test">)"}},
  });
}

TEST(LabelAllowStage, NamesBadOptions) {
  ExpectBadOptions("labelallow", {"", "[]", "job", "[5]", "{job: }"});
}

}  // namespace
}  // namespace agent::test
