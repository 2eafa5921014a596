// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/support/stage_harness.h"

namespace agent::test {
namespace {

TEST(LabelDropStage, RemovesTheNamedLabels) {
  ExpectStageCases({
      {"one label",
       "- static_labels: {x: v}\n"
       "- labeldrop: [job]\n",
       {"l"},
       {R"(1.000000000 {x="v"} "l" <job="test">)"}},
      {"several",
       "- static_labels: {x: v}\n"
       "- labeldrop: [x, job]\n",
       {"l"},
       {R"(1.000000000 {} "l" <job="test">)"}},
      {"a label that is not there",
       "- labeldrop: [nothing]\n",
       {"l"},
       {R"(1.000000000 {job="test"} "l" <job="test">)"}},
      {"names are exact",
       "- labeldrop: ['jo.*', JOB]\n",
       {"l"},
       {R"(1.000000000 {job="test"} "l" <job="test">)"}},
      {"the extracted value stays",
       "- labeldrop: [job]\n"
       "- labels: {copy: job}\n",
       {"l"},
       {R"(1.000000000 {copy="test"} "l" <job="test">)"}},
      {"the tenant, too",
       "- tenant: {value: t}\n"
       "- labeldrop: [__tenant_id__]\n",
       {"l"},
       {R"(1.000000000 {job="test"} "l" <job="test">)"}},
  });
}

TEST(LabelDropStage, NamesBadOptions) { ExpectBadOptions("labeldrop", {"", "[]", "job", "[5]", "{job: }"}); }

}  // namespace
}  // namespace agent::test
